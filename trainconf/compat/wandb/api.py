"""The functions of the package `wandb`: `init`, and those that mean the current run."""

from __future__ import annotations

from trainconf.compat.tracking.config import absl_or_given
from trainconf.compat.tracking.notes import KeepsGoing, note, say, unanswered
from trainconf.compat.wandb import current, env
from trainconf.compat.wandb.current import _runs
from trainconf.compat.wandb.errors import Error
from trainconf.compat.wandb.run import Run, RunDisabled, describe
from trainconf.compat.wandb.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

# Arguments of `init` by the environment variable that gives them where the call does not, and by the setting of the same meaning.
VARIABLES = {
    "project": env.PROJECT, "entity": env.ENTITY, "name": env.NAME, "notes": env.NOTES, "tags": env.TAGS, "group": env.RUN_GROUP,
    "job_type": env.JOB_TYPE, "mode": env.MODE, "id": env.RUN_ID, "resume": env.RESUME,
}  # fmt: skip
SETTINGS = {"group": "run_group", "name": "run_name", "notes": "run_notes", "tags": "run_tags", "job_type": "run_job_type", "id": "run_id"}
MEANT_NOWHERE = {"sync_tensorboard": "event files below ./logs are read as they are; have the writer write there"}


def init(
    entity: Any = None, project: Any = None, dir: Any = None, id: Any = None, name: Any = None, notes: Any = None, tags: Any = None,
    config: Any = None, config_exclude_keys: Any = None, config_include_keys: Any = None, allow_val_change: Any = None, group: Any = None,
    job_type: Any = None, mode: Any = None, force: Any = None, reinit: Any = None, resume: Any = None, settings: Any = None, **more: Any
) -> Any:  # fmt: skip
    """Begin a run: in a job it is the run of trainconf. While one goes on, that one is returned, unless `reinit` says otherwise."""
    settings = settings if isinstance(settings, Settings) else Settings(**(settings or {}))
    given: Dict[str, Any] = {
        "entity": entity, "project": project, "name": name, "notes": notes, "tags": tags, "group": group, "job_type": job_type,
        "mode": mode, "id": id, "resume": resume,
    }  # fmt: skip
    for word, variable in VARIABLES.items():
        if given[word] is None:
            given[word] = getattr(settings, SETTINGS.get(word, word))
        given[word] = env.given(given[word], variable)
    if isinstance(given["tags"], str):
        given["tags"] = [tag.strip() for tag in given["tags"].split(",")]
    for word, why in MEANT_NOWHERE.items():
        if more.get(word):
            note(word, "wandb.init(%s=...): %s" % (word, why))
    wanted: Dict[str, Any] = {}
    with KeepsGoing("the config given to wandb.init"):
        wanted = absl_or_given(config, config_include_keys, config_exclude_keys)
    if given["mode"] == "disabled" or env.is_on(env.DISABLED):
        return _begun(RunDisabled(wanted))
    reinit = reinit if reinit is not None else settings.reinit
    running = current.run()
    if running is not None and reinit in (True, "finish_previous"):
        running.finish()
        running = None
    if running is not None and reinit != "create_new":
        note("two inits", "wandb.init is called again: it is the run that goes on. `reinit=True` ends that one and begins another")
        running.config.update(wanted, allow_val_change=True)
        return running
    return _begun(_made(given, wanted, settings))


def _made(given: Dict[str, Any], config: Dict[str, Any], settings: Settings) -> Run:
    run = Run(name=given["name"], project=given["project"], group=given["group"], config=config, settings=settings)
    describe(run, given)
    if given["resume"] and run._job.attempt > 1:
        run._go_on()
    if not env.is_on(env.SILENT) and not current.had_one():
        where = "in the run %s" % run._job.id if run._job.id else "in ./outputs/wandb and on this terminal, for this is no run of trainconf"
        say("what the script gives to wandb is recorded %s; no account, no network (docs/tracking.md)" % where)
    return run


def _begun(run: Run) -> Run:
    current.begin(run)
    run._write_if_changed()
    return run


def _run(what: str) -> Any:
    """The current run. Raises Error before the first `init`; after the last `finish` None is returned, and the call is told once."""
    found = current.run()
    if found is None and not current.had_one():
        raise Error("wandb.%s: call wandb.init() first" % what)
    if found is None:
        note("after finish " + what, "wandb.%s after wandb.finish(): this call and later ones are not recorded" % what)
    return found


def _of_the_run(what: str) -> Any:
    def call(*args: Any, **options: Any) -> Any:
        run = _run(what)
        return getattr(run, what)(*args, **options) if run is not None else None

    call.__name__ = call.__qualname__ = what
    return call


save, alert, define_metric, watch, unwatch = map(_of_the_run, ("save", "alert", "define_metric", "watch", "unwatch"))
log_artifact, use_artifact, restore = map(_of_the_run, ("log_artifact", "use_artifact", "restore"))
log_model, use_model, link_model = map(_of_the_run, ("log_model", "use_model", "link_model"))
link_artifact, upsert_artifact, finish_artifact = map(_of_the_run, ("link_artifact", "upsert_artifact", "finish_artifact"))
log_code, mark_preempting, pin_config_keys = map(_of_the_run, ("log_code", "mark_preempting", "pin_config_keys"))


def log(data: Any = None, step: Any = None, commit: Any = None, sync: Any = None, **more: Any) -> None:
    """Record one row in the current run."""
    run = _runs[-1] if _runs else _run("log")
    if run is not None:
        run.log(data, step, commit)


def finish(exit_code: Optional[int] = None, quiet: Optional[bool] = None) -> None:
    """End the current run; none is no mistake."""
    run = current.run()
    if run is not None:
        run.finish(exit_code, quiet)


join = finish


def login(*args: Any, **options: Any) -> bool:
    """Nobody needs to log in."""
    return True


def setup(settings: Any = None, **options: Any) -> Any:
    return unanswered("wandb.setup()", "there is no service to set up") if settings else Settings()


def teardown(exit_code: Optional[int] = None) -> None:
    finish(exit_code)


def attach(*args: Any, **options: Any) -> Any:
    """The run of this process; another process logs to the same run of trainconf."""
    return current.run() or init()


_attach = attach


def require(*args: Any, **options: Any) -> None:
    return None


def ensure_configured() -> None:
    return None
