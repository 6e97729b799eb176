"""The one door to git: how it is asked, and what it says of a source folder.

    command   finds a repository, and asks git so that nothing in the repository can run a program
    settings  the parts of git's configuration that matter here: filters, remotes
    facts     commit, branch, what is not committed, submodules: what git.json holds
    index     whether the index can hold what `git status` does not look at
    filtered  passed     files that are filtered, or passed over: whether they differ
    checkout  writes the tree of a commit into a folder
    patch     the uncommitted changes as a patch of bounded size
"""
