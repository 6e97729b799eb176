"""What the run of trainconf is told of a tracked run: its name, tags, description and config; and what it was submitted with."""

from __future__ import annotations

import json
import sys

from trainconf.compat.tracking.notes import KeepsGoing
from trainconf.compat.tracking.values import flat
from trainconf.job_api import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


LONGEST_PROPERTY = 1000  # characters; the whole text is in config.json
of_trial: Dict[str, Any] = {}  # values of a search's space that the run's params do not have


def job() -> Run:
    """The run this process belongs to, else one that prints."""
    return Run.get_context()


def child(name: Optional[str], number: int) -> Run:
    """A run below it. Where none can be made, what is logged is the run's own."""
    with KeepsGoing("the child run %s" % (name or number)):
        return job().child_run(name=name or "run-%d" % number)
    return job()


def ended(run: Run, exit_code: Optional[int]) -> None:
    """A child run ends before its script does."""
    with KeepsGoing("the end of the child run"):
        run.complete() if not exit_code else run.fail("it was finished with exit code %s" % exit_code)


def given(run: Run) -> Dict[str, Any]:
    """The params of the run that its command line does not have: a script reads them from its config, as of a sweep's trial.

    A param that is an argument is the script's own to put into its config, maybe changed.
    """
    with KeepsGoing("the params of the run"):
        words = " ".join("\0" + word for word in sys.argv[1:]) + " "
        found = dict(of_trial)
        for name, value in run.params.items():
            starts = ("--%s " % name, "--%s\0" % name, "--%s=" % name, "--%s." % name, "%s=" % name, "%s." % name)
            if value is not None and not any("\0" + start in words for start in starts):
                found[name] = value
        return found
    return dict(of_trial)


def named(run: Run, name: str) -> None:
    """Give the run a display name."""
    if run.run_dir:
        with KeepsGoing("the name of the run"):
            run.display_name = name


def described(run: Run, text: str) -> None:
    if run.run_dir:
        with KeepsGoing("the notes of the run"):
            run.description = text


def tagged(run: Run, tags: Dict[str, Any]) -> None:
    """Add tags to the run. One without a value has an empty one."""
    if run.run_dir and tags:
        with KeepsGoing("the tags of the run"):
            run.set_tags(tags)


def properties(run: Run, values: Dict[str, Any], known: Dict[str, str]) -> None:
    """Record the script's config as properties of the run. The `known` ones stay: a property never changes. config.json has the last."""
    if run.run_dir:
        with KeepsGoing("the config of the run"):
            texts = {"config." + name: _text(value) for name, value in flat(values)}
            if not texts.keys() <= known.keys():
                known.update(run.get_properties())  # of an earlier attempt, too
            new = {name: text for name, text in texts.items() if name not in known}
            known.update(new)
            if new:
                run.add_properties(new)


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:LONGEST_PROPERTY]


def next_step(run: Run) -> int:
    """One more than the greatest step in the run's metrics; 0 where there is none, or none can be read."""
    import os

    last = -1
    with KeepsGoing("the step to go on with"):
        places = [os.path.join(run.run_dir, "metrics.jsonl")]
        below = os.path.join(run.run_dir, "metrics")
        places += [os.path.join(below, name) for name in sorted(os.listdir(below))] if os.path.isdir(below) else []
        for path in filter(os.path.isfile, places):
            with open(path, "rb") as stream:
                for line in stream:
                    try:
                        step = json.loads(line.decode("utf-8")).get("step")
                    except (ValueError, AttributeError):
                        continue  # a torn line
                    last = max(last, step if isinstance(step, int) else -1)
    return last + 1


def shown(run: Run, name: str, path: str) -> None:
    """Tell the run that a file below its outputs is an image that was logged. A name that is a metric already stays one."""
    if run.run_dir and run._kinds.setdefault(name, "image") == "image":
        with KeepsGoing("the image %r" % name):
            run.log_image(name, path)


def confusion(run: Run, name: str, rows: Any) -> None:
    """Tell the run of a confusion matrix, given as rows (actual, predicted, count)."""
    if run.run_dir and run._kinds.setdefault(name, "chart") == "chart":
        with KeepsGoing("the confusion matrix %r" % name):
            labels = list(dict.fromkeys(row[0] for row in rows))
            counts = {(row[0], row[1]): row[2] for row in rows}
            matrix = [[counts[actual, predicted] for predicted in labels] for actual in labels]
            data = {"class_labels": labels, "matrix": matrix}
            run.log_confusion_matrix(name, {"schema_type": "confusion_matrix", "schema_version": "1.0.0", "data": data})
