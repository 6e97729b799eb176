"""Which names the package `azureml` has here, where they come from, and what has no meaning here and why.

A name means the same in every module, as in the original, where modules hand each other's names on.
"""

from __future__ import annotations

from trainconf.compat.azureml.without import NOT_HERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OURS, SDK = "trainconf.compat.azureml", "trainconf.sdk"

# Names by the module that has them.
_FROM = {
    f"{OURS}.authentication": "AbstractAuthentication Audience AzureCliAuthentication InteractiveLoginAuthentication MsiAuthentication "
    "ServicePrincipalAuthentication TokenAuthentication",
    f"{OURS}.compute": "AksCompute AmlCompute ComputeInstance ComputeTarget HDInsightCompute KubernetesCompute RemoteCompute",
    f"{OURS}.configs.estimators": "Chainer Estimator Gloo MMLBaseEstimator Mpi Nccl ParameterServer PyTorch SKLearn TensorFlow",
    f"{OURS}.configs.hyperdrive": "HyperDriveConfig HyperDriveRun",
    f"{OURS}.configs.run_config": "DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE HistoryConfiguration RunConfiguration ScriptRunConfig",
    f"{OURS}.configs.showing": "RunDetails Tensorboard export_to_tensorboard set_diagnostics_collection",
    f"{OURS}.data.datasets": "AbstractDataset FileDataset",
    f"{OURS}.data.datastores": "Datastore",
    f"{OURS}.data.factories": "DataType Dataset FileDatasetFactory PromoteHeadersBehavior TabularDatasetFactory",
    f"{OURS}.data.inputs": "DatasetConsumptionConfig",
    f"{OURS}.data.outputs": "OutputFileDatasetConfig",
    f"{OURS}.data.references": "DataPath DataPathComputeBinding DataReference DataReferenceConfiguration",
    f"{OURS}.data.tables": "TabularDataset",
    f"{OURS}.exceptions": "ActivityFailedException AuthenticationException AzureMLException ComputeTargetException DatasetExecutionError "
    "DatasetTimestampMissingError DatasetValidationError DiscoveryUrlNotFoundException ExperimentExecutionException "
    "ExperimentNotFoundException HyperDriveConfigException HyperDriveNotImplementedException HyperDriveRehydrationException "
    "HyperDriveScenarioNotSupportedException ImageException LockException ModelNotFoundException ModelPathNotFoundException "
    "ProjectSystemException RunConfigurationException RunEnvironmentException ServiceException SnapshotException TrainingException "
    "UserErrorException UserProfileException WebserviceException WorkspaceException",
    f"{OURS}.models": "Model ResourceConfiguration",
    f"{OURS}.runs.experiment": "Experiment",
    f"{OURS}.runs.run": "Run _OfflineRun",
    f"{OURS}.workspace": "Keyvault Workspace",
    f"{OURS}.configs.processes": "DockerConfiguration MpiConfiguration PyTorchConfiguration TensorflowConfiguration",
    f"{OURS}.configs.search": "BanditPolicy BayesianParameterSampling GridParameterSampling MedianStoppingPolicy NoTerminationPolicy "
    "RandomParameterSampling TruncationSelectionPolicy choice lognormal loguniform normal qlognormal qloguniform "
    "qnormal quniform randint uniform",
    f"{OURS}.configs.software": "CondaDependencies ContainerRegistry DockerBuildContext DockerSection Environment PythonSection",
    f"{SDK}.hyperdrive": "PrimaryMetricGoal",
}
PLACES = {name: f"{module}:{name}" for module, names in _FROM.items() for name in names.split()}
VALUES: dict[str, Any] = {"VERSION": "1.61.0", "__version__": "1.61.0"}  # the release whose names these are
RENAMED = {"ScriptRun": "Run", "InteractiveRun": "Run", "DockerEnvironment": "DockerSection", "PythonEnvironment": "PythonSection"}

# The modules there are, and what each is known for.
_EXCEPTIONS = _FROM[f"{OURS}.exceptions"]
_COMPUTE, _RUN_CONFIG = _FROM[f"{OURS}.compute"], "RunConfiguration DockerConfiguration HistoryConfiguration MpiConfiguration "
_EXPRESSIONS = "choice lognormal loguniform normal qlognormal qloguniform qnormal quniform randint uniform"
_SAMPLING = "BayesianParameterSampling GridParameterSampling RandomParameterSampling"
_POLICIES = "BanditPolicy MedianStoppingPolicy NoTerminationPolicy TruncationSelectionPolicy"
MODULES = {
    "azureml": "",
    "azureml._base_sdk_common": "VERSION",
    "azureml._common": "",
    "azureml._common.exceptions": _EXCEPTIONS,
    "azureml.contrib": "",
    "azureml.core": "VERSION ComputeTarget Dataset Datastore Environment Experiment Keyvault Model Run RunConfiguration ScriptRunConfig "
    "Workspace",
    "azureml.core._experiment_method": "",
    "azureml.core.authentication": _FROM[f"{OURS}.authentication"],
    "azureml.core.compute": f"{_COMPUTE} ComputeTargetException",
    "azureml.core.compute_target": "ComputeTarget ComputeTargetException",
    "azureml.core.conda_dependencies": "CondaDependencies",
    "azureml.core.container_registry": "ContainerRegistry",
    "azureml.core.dataset": "Dataset",
    "azureml.core.datastore": "Datastore",
    "azureml.core.environment": "CondaDependencies ContainerRegistry DockerBuildContext DockerSection Environment PythonSection "
    "DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE",
    "azureml.core.experiment": "Experiment",
    "azureml.core.keyvault": "Keyvault",
    "azureml.core.model": "Dataset Model",
    "azureml.core.resource_configuration": "ResourceConfiguration",
    "azureml.core.run": "Run _OfflineRun",
    "azureml.core.runconfig": _RUN_CONFIG + "PyTorchConfiguration TensorflowConfiguration CondaDependencies DataReferenceConfiguration "
    "DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE",
    "azureml.core.script_run": "ScriptRun",
    "azureml.core.script_run_config": "ScriptRunConfig",
    "azureml.core.workspace": "Workspace",
    "azureml.data": "DataType FileDataset OutputFileDatasetConfig TabularDataset",
    "azureml.data.abstract_dataset": "AbstractDataset",
    "azureml.data.data_reference": "DataReference",
    "azureml.data.datapath": "DataPath DataPathComputeBinding",
    "azureml.data.dataset_consumption_config": "DatasetConsumptionConfig",
    "azureml.data.dataset_error_handling": "DatasetExecutionError DatasetValidationError",
    "azureml.data.dataset_factory": "FileDatasetFactory TabularDatasetFactory DataType",
    "azureml.data.dataset_type_definitions": "PromoteHeadersBehavior",
    "azureml.data.file_dataset": "FileDataset",
    "azureml.data.output_dataset_config": "OutputFileDatasetConfig",
    "azureml.data.tabular_dataset": "TabularDataset",
    "azureml.exceptions": _EXCEPTIONS,
    "azureml.opendatasets": "",
    "azureml.telemetry": "set_diagnostics_collection",
    "azureml.tensorboard": "Tensorboard",
    "azureml.tensorboard.export": "export_to_tensorboard",
    "azureml.train": "",
    "azureml.train.dnn": "Chainer Gloo Mpi Nccl ParameterServer PyTorch TensorFlow",
    "azureml.train.estimator": "Estimator MMLBaseEstimator",
    "azureml.train.hyperdrive": f"{_EXPRESSIONS} {_SAMPLING} {_POLICIES} HyperDriveConfig HyperDriveRun PrimaryMetricGoal",
    "azureml.train.hyperdrive.parameter_expressions": _EXPRESSIONS,
    "azureml.train.hyperdrive.policy": _POLICIES,
    "azureml.train.hyperdrive.run": "HyperDriveRun PrimaryMetricGoal",
    "azureml.train.hyperdrive.runconfig": "HyperDriveConfig PrimaryMetricGoal",
    "azureml.train.hyperdrive.sampling": _SAMPLING,
    "azureml.train.sklearn": "SKLearn",
    "azureml.widgets": "RunDetails",
}


def is_module(module: str) -> bool:
    """Whether a module can be imported: it is ours, or all it has has no meaning here."""
    return module in MODULES or _above(module) is not None


def offered(module: str) -> list[str]:
    """The names that a module is known for."""
    return MODULES.get(module, "").split()


def place(module: str, name: str) -> str | None:
    """Where a name of a module comes from: `module:attribute`; None for what is not here."""
    if module == "azureml.opendatasets" and not name.startswith("_"):
        return f"{OURS}.data.opened:{name}"
    if f"{module}.{name}" in NOT_HERE or _above(module) is not None:
        return None
    return PLACES.get(RENAMED.get(name, name))


def why_not(module: str, name: str) -> str | None:
    """Why a name has no meaning here; None for a name that is not known at all."""
    return NOT_HERE.get(f"{module}.{name}") or NOT_HERE.get(name) or _above(module)


def load(name: str) -> Any:
    """The class or function of a name, for modules of ours that must not import each other."""
    from importlib import import_module

    module, _, attribute = PLACES[name].partition(":")
    return getattr(import_module(module), attribute)


def _above(module: str) -> str | None:
    """The reason that the module or a package above it has no meaning here."""
    while module:
        if module in NOT_HERE:
            return NOT_HERE[module]
        module = module.rpartition(".")[0]
    return None
