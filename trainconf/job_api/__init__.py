"""What a training script may import: `Run`, its own run as seen from inside the job.

Standard library only and Python 3.8 grammar, for it runs in whatever Python the job has. Nothing of trainconf is imported but this package.

    from trainconf import Run
    run = Run.get_context()
    run.log("loss", 0.25, step=3)
"""

from trainconf.job_api.run import Run as Run
