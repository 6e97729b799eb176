# The browser part: Chromium and fonts, for what is shown in notebooks and in VS Code, and the compiler that the latter needs once.
# Debian's; what is there already is used as it is.

readonly CHROMIUM=/usr/bin/chromium

browser_up() {
  browser_is_there || { refuse_where_no_browser; install chromium fonts-dejavu-core; }
  command -v g++ >/dev/null || [ "$(id -u)" != 0 ] || install g++ make
  browser_is_there || fail "browser: $CHROMIUM is installed, but does not start"
  say "$(browser_status)"
}

browser_down() { say "browser: nothing runs; the package stays"; }

browser_status() {
  local not_here
  if ! browser_is_there; then
    not_here=$(why_not_here)
    echo "browser: there is no $CHROMIUM (${not_here:-\`tests/testbed/up browser\` installs it})"
    return "$FAILED"
  fi
  echo "browser: $(browser_version)"
}

browser_is_there() { [ -x "$CHROMIUM" ] && browser_version >/dev/null; }

browser_version() { "$CHROMIUM" --no-sandbox --version 2>/dev/null | head -n 1; }

# Ubuntu's package is a snap, which needs a service manager.
refuse_where_no_browser() {
  local why ID=""
  why=$(why_not_here)
  [ -z "$why" ] || unable "browser: not set up: $why"
  . /etc/os-release
  [ "$ID" = debian ] || unable "browser: not set up: the chromium of $ID is a snap; install a $CHROMIUM of your own"
}
