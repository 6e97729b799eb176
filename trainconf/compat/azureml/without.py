"""Why names of the original have no meaning here: whole packages, single classes, whatever module they are asked of."""

from __future__ import annotations

_PIPELINES = "there are no pipelines of steps; submit the scripts one after another, or call `trainconf` from make or Snakemake"
SERVICES = "nothing is deployed here; a program of your own loads the file at model.download()"
_AUTOML = "there is no automated machine learning; take a sweep, azureml.train.hyperdrive"
_CLOUD = "it is a service of the cloud; conf/compute/ says where runs run"
_SPARK = "there is no Spark here"
_STORAGE = "there is no cloud storage; a dataset is files of this machine"

NOT_HERE = {
    "azureml._restclient": "there is no service to ask",
    "azureml.automl": _AUTOML,
    "azureml.contrib.automl": _AUTOML,
    "azureml.contrib.dataset": "labeled datasets need a service of the cloud; a FileDataset has the files",
    "azureml.contrib.fairness": "dashboards need a service of the cloud; log what they show with run.log_table",
    "azureml.contrib.interpret": "explanations are not uploaded; keep them in ./outputs",
    "azureml.contrib.notebook": "a notebook is run with `jupyter nbconvert --execute` as a command",
    "azureml.contrib.pipeline": _PIPELINES,
    "azureml.contrib.reinforcementlearning": "Ray is started by a command of yours",
    "azureml.contrib.services": SERVICES,
    "azureml.contrib.train": "Ray is started by a command of yours",
    "azureml.core.image": SERVICES,
    "azureml.core.linked_service": _SPARK,
    "azureml.core.webservice": SERVICES,
    "azureml.data.azure_storage_datastore": _STORAGE,
    "azureml.data.sql_data_reference": _STORAGE,
    "azureml.datadrift": "data drift is a service of the cloud; compare two datasets with pandas",
    "azureml.dataprep": "read files with pandas",
    "azureml.explain": "explanations are not uploaded; keep them in ./outputs",
    "azureml.interpret": "explanations are not uploaded; keep them in ./outputs",
    "azureml.mlflow": "set `compat: [mlflow]`: a script's calls of mlflow then land in its run",
    "azureml.pipeline": _PIPELINES,
    "azureml.train.automl": _AUTOML,
    # names, in whatever module
    "AdlaCompute": _CLOUD, "BatchCompute": _CLOUD, "DataFactoryCompute": _CLOUD, "DatabricksCompute": _CLOUD, "KustoCompute": _CLOUD,
    "SynapseCompute": _CLOUD, "DsvmCompute": _CLOUD,
    "AksEndpoint": SERVICES, "AciWebservice": SERVICES, "AksWebservice": SERVICES, "LocalWebservice": SERVICES, "Webservice": SERVICES,
    "InferenceConfig": SERVICES, "Image": SERVICES, "ContainerImage": SERVICES,
    "HDFSOutputDatasetConfig": _SPARK, "JarLibrary": _SPARK, "MavenLibrary": _SPARK, "PyPiLibrary": _SPARK, "SparkConfiguration": _SPARK,
    "LinkTabularOutputDatasetConfig": _PIPELINES, "LinkFileOutputDatasetConfig": _PIPELINES,
    "OutputTabularDatasetConfig": "OutputFileDatasetConfig(...).read_delimited_files() makes a table of what a run writes",
    "LinkedService": _SPARK, "SynapseWorkspaceLinkedServiceConfiguration": _SPARK,
    "DatasetActionRun": _STORAGE, "DatasetDefinition": _STORAGE, "DatasetSnapshot": _STORAGE,
    "PipelineRun": _PIPELINES, "Pipeline": _PIPELINES, "PipelineData": _PIPELINES, "AutoMLConfig": _AUTOML,
    "AmlComputeConfiguration": _CLOUD, "EnvironmentDefinition": "take azureml.core.Environment",
    "ParallelTaskConfiguration": _PIPELINES, "Diagnostics": "nothing is sent to anybody",
}  # fmt: skip
