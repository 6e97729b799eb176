"""Asks git what it knows of a source folder.

    command   finds a repository, and asks git so that nothing in the repository can run a program
    settings  the parts of git's configuration that matter here: filters, remotes
    facts     commit, branch, what is not committed, submodules: what git.json holds
    index     whether the index can hold what `git status` does not report
    filtered  passed     whether files differ that a filter changes, or that git was told to ignore
    checkout  writes the tree of a commit into a folder
    commit    commits one file
    patch     the uncommitted changes as a patch of bounded size
"""
