"""Every field that a job of Azure ML v2 may have: its kind, and what has no meaning here.

Borrowed facts: the schemas of the YAML of Azure ML's CLI v2 (azure-ai-ml 1.35).
"""

from __future__ import annotations

from trainconf.compat.azureml.v2.document import Field

_SERVED = "has no meaning here: a run is not kept for visitors; `trainconf tensorboard RUN` shows its logs, live"
_QUEUED = "has no meaning here: runs wait for slots of this machine, first come first served, or in Slurm's queue (compute.qos)"
_AZURES = "is of a job that was submitted to Azure"

_COMMON = {
    "$schema": Field(), "type": Field(), "name": Field("scalar", told="has no meaning here: each run gets an id of its own"),
    "display_name": Field(), "description": Field(), "experiment_name": Field(), "tags": Field("mapping"),
    "compute": Field(), "inputs": Field("mapping"), "outputs": Field("mapping"), "resources": Field("mapping"),
    "properties": Field("mapping", told="has no meaning here: use tags"),
    "identity": Field("mapping", told="has no meaning here: a run is yours"),
    "services": Field("mapping", told=_SERVED), "queue_settings": Field("mapping", told=_QUEUED),
    "parent_job_name": Field(told="has no meaning here: a run of its own has no parent"),
    "is_deterministic": Field("boolean", told="has no meaning here: submit.reuse=true returns an equal run that completed"),
    "id": Field(told=_AZURES), "status": Field(told=_AZURES),
    "creation_context": Field("mapping", told=_AZURES),
}
_COMMAND = {
    "command": Field(is_required=True), "code": Field(), "environment": Field("any", is_required=True),
    "environment_variables": Field("mapping"), "distribution": Field("mapping"), "resources": Field("mapping"),
}
COMMAND_JOB = {**_COMMON, **_COMMAND, "limits": Field("mapping"), "parameters": Field("mapping", told=_AZURES)}
SWEEP_JOB = {
    **_COMMON, "trial": Field("mapping", is_required=True), "search_space": Field("mapping"), "sampling_algorithm": Field("any"),
    "objective": Field("mapping"), "early_termination": Field("mapping"), "limits": Field("mapping"),
}
TRIAL = {**_COMMAND, "queue_settings": Field("mapping", told=_QUEUED)}
COMMAND_LIMITS = {"timeout": Field("number", minimum=1)}
RESOURCES = {
    "instance_count": Field("integer", minimum=1), "shm_size": Field(), "docker_args": Field("any"),
    "instance_type": Field(told="has no meaning here: compute.cpus, compute.gpus and compute.memory_gib say what a run gets"),
    "max_instance_count": Field("integer", told="has no meaning here: a run has all its nodes from the start"),
    "locations": Field("list", told="has no meaning here: a run is where compute says"),
    "properties": Field("mapping", told="has no meaning here"),
}
INPUT = {
    "type": Field(choices=("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "number", "integer",
                           "string", "boolean")),
    "mode": Field(choices=("ro_mount", "download", "direct", "eval_mount", "eval_download", "mount", "rw_mount", "upload")),
    "path": Field(), "value": Field("scalar"), "default": Field("scalar"), "optional": Field("boolean"), "description": Field(),
    "min": Field("number"), "max": Field("number"), "enum": Field("list"),
    "datastore": Field(told="has no meaning here: nothing is uploaded"),
    "path_on_compute": Field(told="has no meaning here: the variable TRAINCONF_INPUT_<NAME> has the path"),
}
PATHS = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
_REGISTERED = "has no meaning here: the folder is outputs/ of the run"
OUTPUT = {
    "type": Field(choices=PATHS), "mode": Field(choices=("rw_mount", "mount", "upload", "direct")), "description": Field(),
    "path": Field(told=_REGISTERED), "name": Field("scalar", told=_REGISTERED), "version": Field("scalar", told=_REGISTERED),
}
DISTRIBUTION = {
    "pytorch": {"process_count_per_instance": Field("integer", minimum=1)},
    "mpi": {"process_count_per_instance": Field("integer", minimum=1, is_required=True)},
    "tensorflow": {"worker_count": Field("integer", minimum=1), "parameter_server_count": Field("integer", minimum=0)},
}
# Kinds of files that are none of these jobs, and what to do with them.
REFUSED = {
    "pipeline": "run its steps one after another, each as a job of its own, or call trainconf from make or Snakemake",
    "component": "write a job of `type: command` with its command, code and environment, and values for its inputs",
    "automl": "write a script that trains the models you mean, and search over it with a job of `type: sweep`",
    "spark": "there is no Spark here; a script may start it itself, with compute=docker and an image that has it",
    "parallel": "write a script that goes through the data, and start it with several processes: distributed=mpi",
    "import": "load the data yourself, and name it as an input",
    "data_transfer": "copy the data yourself, and name it as an input",
    "finetuning": "write a script that does it, and a job of `type: command`",
}
