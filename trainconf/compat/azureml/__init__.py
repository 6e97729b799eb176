"""The names of Azure ML's SDK v1 over trainconf. `path/` holds a package `azureml`, for scripts that are to run as they are.

What a training script asks for is standard library and Python 3.8 grammar: it runs in whatever Python, and container, the job has.
"""
