"""What a conda environment asks for, as requirements for pip: packages that pip has too, by the names that they have there.

A name in conda says nothing of pip: `ffmpeg` is another thing there, `cudatoolkit` nothing. So only names that are known are taken.
"""

from __future__ import annotations

import re

from trainconf.environments.recipe.installed import normalised

SPEC = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)\s*(?P<version>.*)")
EXACT = re.compile(r"={1,2}\s*(?P<version>\d+(\.\d+)+)(\.\*)?(=\S+)?")
_RELEASE = re.compile(r"\d+(\.\d+)*")
_BOUND = re.compile(r"(>=|<=|!=|==|~=|>|<)\s*([\w.+!-]+(?:\.\*)?)")

# The same thing under the same name, in conda's defaults or conda-forge and in pip's index.
SAME = frozenset(map(normalised, (
    "absl-py", "aiohttp", "altair", "annoy", "arrow", "astropy", "attrs", "azure-identity", "azure-storage-blob", "beautifulsoup4",
    "black", "bokeh", "boto3", "botocore", "cachetools", "catboost", "category-encoders", "certifi", "cffi", "chardet", "click",
    "cloudpickle", "colorama", "cryptography", "cycler", "cython", "datasets", "datashader", "dill", "distributed", "docutils", "einops",
    "evaluate", "fastai", "fastparquet", "filelock", "flake8", "flask", "flatbuffers", "fsspec", "future", "gensim", "geopandas",
    "gitpython", "gym", "gymnasium", "h5py", "holidays", "holoviews", "huggingface-hub", "hyperopt", "idna", "imageio",
    "imbalanced-learn", "importlib-metadata", "iniconfig", "ipykernel", "ipython", "ipywidgets", "isort", "jinja2", "joblib",
    "jsonschema", "jupyter", "jupyter-client", "jupyterlab", "keras", "kiwisolver", "lightgbm", "lightning", "llvmlite", "lxml", "mako",
    "markdown", "markupsafe", "matplotlib", "missingno", "mlflow", "mlxtend", "mypy", "natsort", "networkx", "nltk", "notebook", "numba",
    "numexpr", "numpy", "omegaconf", "openai", "openpyxl", "optuna", "packaging", "pandas", "papermill", "patsy", "pillow", "plotly",
    "pluggy", "polars", "prometheus-client", "prophet", "protobuf", "psutil", "py-cpuinfo", "pyarrow", "pycocotools", "pydantic",
    "pygments", "pyjwt", "pylint", "pymysql", "pyodbc", "pyparsing", "pyspark", "pytest", "python-box", "python-dateutil",
    "python-dotenv", "pytorch-lightning", "pytz", "pywavelets", "pyyaml", "pyzmq", "regex", "requests", "retrying", "rich", "ruamel.yaml",
    "s3fs", "sacremoses", "scikit-image", "scikit-learn", "scikit-optimize", "scipy", "seaborn", "sentencepiece", "setuptools", "shap",
    "simplejson", "six", "spacy", "sqlalchemy", "sqlparse", "statsmodels", "sympy", "tabulate", "tensorboard", "tensorboardx",
    "tensorflow", "tensorflow-cpu", "tensorflow-datasets", "tensorflow-estimator", "tensorflow-hub", "textblob", "threadpoolctl", "timm",
    "tokenizers", "toml", "toolz", "torchaudio", "torchmetrics", "torchtext", "torchvision", "tornado", "tqdm", "transformers", "tsfresh",
    "typing-extensions", "ujson", "umap-learn", "urllib3", "wandb", "werkzeug", "wheel", "wrapt", "xarray", "xgboost", "xlrd",
    "xlsxwriter", "xlwt", "yarl", "yellowbrick", "zarr",
)))  # fmt: skip
# The same thing under another name.
OTHER = {
    "dask-core": "dask", "fbprophet": "prophet", "dask": "dask[complete]", "keras-gpu": "keras", "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack", "opencv": "opencv-python-headless", "py-opencv": "opencv-python-headless", "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost", "pytables": "tables", "python-graphviz": "graphviz", "pytorch": "torch", "pytorch-cpu": "torch",
    "ruamel-yaml": "ruamel.yaml", "seaborn-base": "seaborn", "tensorflow-base": "tensorflow", "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
}  # fmt: skip


def name_of(entry: str) -> str:
    """The name in a line such as `conda-forge::numpy=1.26`, in one spelling; empty where there is none."""
    match = SPEC.fullmatch(entry.strip())
    return normalised(match["name"]) if match else ""


def python_version(entry: str) -> str | None:
    """The version that a line `python=3.11` asks for, empty for `python` alone; None where it does not name one version."""
    match = SPEC.fullmatch(entry.strip())
    version = match["version"].strip() if match else ""
    exact = EXACT.fullmatch(version) if version else None
    return "" if not version else exact["version"] if exact else None


def as_requirement(entry: str) -> str | None:
    """A line of a conda environment as a requirement for pip; None for what pip cannot give. A build string is left out."""
    match = SPEC.fullmatch(entry.strip())
    name = normalised(match["name"]) if match else ""
    known = OTHER.get(name) or (name if name in SAME else "")
    versions = _versions(match["version"].strip()) if match and known else None
    return None if versions is None else known + versions


def _versions(text: str) -> str | None:
    """Conda's way to ask for versions as that of PEP 440; None for what that cannot say. `=1.26` is any 1.26 there, `=1.26=0` a build."""
    if not text:
        return ""
    if text[0] not in "=<>!~":  # `numpy 1.26.4 py311_0`
        text = f"=={text.split()[0]}"
    if text.startswith("="):
        version, _, build = text.lstrip("=").strip().partition("=")
        is_exact = text.startswith("==") or bool(build)
        version = version.strip()
        if version.endswith("*"):
            version, is_exact = version.rstrip("*").rstrip("."), False
        if not _RELEASE.fullmatch(version):
            return f"=={version}" if is_exact and re.fullmatch(r"\d[\w.+!-]*", version) else None
        return f"=={version}" if is_exact else f"=={version}.*"
    bounds = [part.strip() for part in text.split(",")]
    return ",".join(bound.replace(" ", "") for bound in bounds) if all(map(_BOUND.fullmatch, bounds)) else None
