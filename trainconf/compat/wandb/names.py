"""Which names the package `wandb` has here, and which of them is where. A name means the same in every module, as `wandb.sdk...` shows."""

VERSION = "0.31.0"  # of the interface that is answered

_TRACKING = "trainconf.compat.tracking."
_HERE = "trainconf.compat.wandb."

# What stands for each name: `module:attribute`.
PLACES = {
    **dict.fromkeys(
        "init finish join setup teardown attach _attach login require log watch unwatch save restore define_metric alert log_artifact "
        "use_artifact log_model use_model link_model log_code link_artifact upsert_artifact finish_artifact mark_preempting "
        "pin_config_keys ensure_configured".split(),
        _HERE + "api",
    ),
    **dict.fromkeys("sweep agent controller".split(), _HERE + "sweeps"),
    **dict.fromkeys("Api PublicApi InternalApi api".split(), _HERE + "public"),
    **dict.fromkeys("Run RunDisabled Disabled AlertLevel ArtifactTTL Metric".split(), _HERE + "run"),
    **dict.fromkeys("Settings termlog termwarn termerror termsetup".split(), _HERE + "settings"),
    **dict.fromkeys("Error CommError UsageError AuthenticationError UnsupportedError ConfigError".split(), _HERE + "errors"),
    **dict.fromkeys("generate_id make_artifact_name_safe to_json json_friendly".split(), _HERE + "util"),
    **dict.fromkeys("plot_table visualize".split(), _HERE + "plot"),
    **dict.fromkeys("Image Video Audio Html Object3D Molecule Markdown".split(), _TRACKING + "media"),
    "Plotly": _TRACKING + "media:Figure",
    "Bokeh": _TRACKING + "media:Figure",
    "EvalTable": _TRACKING + "tables:Table",
    **dict.fromkeys("Table Histogram".split(), _TRACKING + "tables"),
    "Artifact": _TRACKING + "artifacts",
    "Config": _TRACKING + "config",
    "Summary": _TRACKING + "summary",
    "Classes": _HERE + "run",
    "WBValue": _TRACKING + "media:Media",
    "Media": _TRACKING + "media",
}

# Modules that are not only a place for the names above.
MODULES = {
    "wandb.plot": _HERE + "plot",
    "wandb.util": _HERE + "util",
    "wandb.errors": _HERE + "errors",
    "wandb.errors.errors": _HERE + "errors",
    "wandb.env": _HERE + "env",
    "wandb.keras": _HERE + "integration.keras",
    "wandb.integration.keras": _HERE + "integration.keras",
    "wandb.integration.keras.callbacks": _HERE + "integration.keras",
    "wandb.xgboost": _HERE + "integration.boosting",
    "wandb.integration.xgboost": _HERE + "integration.boosting",
    "wandb.lightgbm": _HERE + "integration.boosting",
    "wandb.integration.lightgbm": _HERE + "integration.boosting",
    "wandb.catboost": _HERE + "integration.boosting",
    "wandb.integration.catboost": _HERE + "integration.boosting",
    "wandb.integration.sb3": _HERE + "integration.sb3",
    "wandb.integration.lightning.fabric": _HERE + "integration.lightning",
}

# Modules with names of the first table: they exist, and are told nowhere.
PLAIN_MODULES = frozenset(
    "apis apis.public data_types errors.term integration integration.lightning old sdk sdk.artifacts sdk.artifacts.artifact sdk.data_types "
    "sdk.data_types.image sdk.data_types.table sdk.data_types.video sdk.data_types.histogram sdk.data_types.base_types "
    "sdk.data_types.base_types.wb_value sdk.lib sdk.lib.config_util sdk.lib.disabled sdk.lib.runid sdk.wandb_alerts sdk.wandb_artifacts "
    "sdk.wandb_config sdk.wandb_init sdk.wandb_run sdk.wandb_settings sdk.wandb_summary sdk.wandb_metric sdk.wandb_login sdk.wandb_watch "
    "wandb_agent wandb_run".split()
)

# What is said of a name that does nothing.
HINTS = {
    "sklearn": "call wandb.log with what sklearn.metrics computes",
    "tensorboard": "event files below ./logs are read as they are: have the writer write there",
    "gym": "log videos with wandb.Video",
    "launch": "trainconf launches: `trainconf experiment=NAME compute=...`",
    "reports": "reports are pages of wandb's server; `trainconf compare` and docs/history.md show runs",
    "jupyter": "runs are shown by trainconf's own notebook extension",
}
