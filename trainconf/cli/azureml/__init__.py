"""The verb `azureml`: what was written for Azure ML, run as it stands."""
