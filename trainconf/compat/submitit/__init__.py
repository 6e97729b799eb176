"""submitit's API over trainconf: `AutoExecutor(folder=..., cluster="trainconf")`. submitit finds it by entry points.

`path/` holds those entry points once more, for the job: there submitit is installed, and trainconf only lies on the path.
"""
