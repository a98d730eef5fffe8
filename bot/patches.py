"""The few changes made to Rasa 3.6.21, each with its reason and the upstream line it replaces.

Apply them with `apply()` before anything of `rasa.core` is used. They are refused on any other version.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

RASA_VERSION = "3.6.21"

# Modules that only TED, UnexpecTED, DIET and the transformer featurizers need. Our pipeline has none of them.
_TENSORFLOW_ROOTS = (
    "tensorflow",
    "keras",
    "rasa.utils.tensorflow",
    "rasa.utils.train_utils",
)


class PatchError(RuntimeError):
    """The installed Rasa is not the version that the patches were written for."""


def apply() -> None:
    """Check Rasa's version and apply every patch. Calling it again does nothing.

    Raises:
        PatchError: when another version of Rasa is installed.
    """
    import rasa.version

    if rasa.version.__version__ != RASA_VERSION:
        raise PatchError(
            f"rasa {rasa.version.__version__} is installed, but bot/patches.py is written for {RASA_VERSION}; "
            "install the locked version with `make setup`"
        )
    quiet_logs()
    compile_action_validator()
    cache_event_types()
    run_graphs_directly()
    ask_the_rules_first()


def quiet_logs(level: int = logging.WARNING) -> None:
    """Keep the citizen's words out of the log.

    Replaces the debug default of an embedded agent: `rasa/core/processor.py` logs parse data with structlog at
    debug level until `rasa.utils.log_utils.configure_structlog` is called.
    """
    from rasa.utils.log_utils import configure_structlog

    configure_structlog(level)
    for name in ("rasa", "rasa_sdk", "apscheduler"):
        logging.getLogger(name).setLevel(level)


def compile_action_validator() -> None:
    """Compile the JSON schema of action results once instead of at every custom action (35–40 ms each).

    Replaces `RemoteAction._validate_action_result` (rasa/core/actions/action.py:699).
    """
    from jsonschema import Draft7Validator
    from rasa.core.actions.action import RemoteAction

    validator = Draft7Validator(RemoteAction.action_response_format_spec())

    def validate(self: Any, result: Any) -> bool:
        validator.validate(result)
        return True

    RemoteAction._validate_action_result = validate


def cache_event_types() -> None:
    """Look event classes up in a dictionary instead of walking all subclasses for every stored event.

    Replaces `Event.resolve_by_type` (rasa/shared/core/events.py:375).
    """
    from rasa.shared.core.events import Event

    if getattr(Event, "_chengda_cached", False):
        return
    original = Event.resolve_by_type
    known: dict[str, Any] = {}

    def resolve(type_name: str, default: Any = None) -> Any:
        found = known.get(type_name)
        if found is None:
            found = original(type_name, default)
            if found is not None and found is not default:
                known[type_name] = found
        return found

    Event.resolve_by_type = staticmethod(resolve)
    Event._chengda_cached = True


def run_graphs_directly() -> None:
    """Run a graph's nodes one after the other in an order found once, without dask.

    Replaces `DaskGraphRunner.run` (rasa/engine/runner/dask.py:72), which builds and schedules the graph anew for every
    prediction, three to five times a turn. Its scheduler is the synchronous one, so the nodes ran in one thread before.
    """
    from rasa.engine.exceptions import GraphRunError
    from rasa.engine.runner.dask import DaskGraphRunner

    if hasattr(DaskGraphRunner.run, "upstream"):
        return

    def run(
        self: Any, inputs: dict[str, Any] | None = None, targets: Sequence[str] | None = None
    ) -> dict[str, Any]:
        wanted = tuple(targets or self._graph_schema.target_names)
        orders = self.__dict__.setdefault("_chengda_orders", {})
        if wanted not in orders:
            orders[wanted] = _in_order(self._graph_schema.nodes, wanted)
        given: dict[str, Any] = dict.fromkeys(self._instantiated_nodes)
        self._add_inputs_to_graph(inputs, given)
        results = {name: given[name] for name in inputs or ()}
        try:
            for name, needs in orders[wanted]:
                results[name] = self._instantiated_nodes[name](*(results.get(need, need) for need in needs))
        except RuntimeError as error:
            raise GraphRunError("Error running runner.") from error
        return {name: results[name][1] for name in wanted}

    run.upstream = DaskGraphRunner.run  # type: ignore[attr-defined]
    DaskGraphRunner.run = run


def _in_order(nodes: Mapping[str, Any], targets: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the nodes that the targets need, each behind all that it needs itself."""
    ordered: dict[str, tuple[str, ...]] = {}

    def visit(name: str) -> None:
        if name in ordered or name not in nodes:
            return
        needs = tuple(nodes[name].needs.values())
        for need in needs:
            visit(need)
        ordered[name] = needs

    for target in targets:
        visit(target)
    return list(ordered.items())


def ask_the_rules_first() -> None:
    """Leave the stories' memory out where a rule is certain: it is the dearer policy and could not win.

    Replaces `MessageProcessor._predict_next_with_tracker` (rasa/core/processor.py:1097). The ensemble takes the highest
    confidence, then the highest priority; a rule's is 1.0 and 6, memory's at most 1.0 and 3. Where an action was just
    rejected the ensemble lowers its confidence, so all policies are asked as before.
    """
    from rasa.core.policies.ensemble import DefaultPolicyPredictionEnsemble
    from rasa.core.processor import MessageProcessor
    from rasa.engine.constants import PLACEHOLDER_TRACKER
    from rasa.shared.core.events import ActionExecuted, ActionExecutionRejected

    upstream = MessageProcessor._predict_next_with_tracker
    if hasattr(upstream, "upstream"):
        return

    def predict(self: Any, tracker: Any) -> Any:
        if not hasattr(self, "_chengda_rules"):
            self._chengda_rules = _rules_before_memory(self)
        acted = (
            e for e in reversed(tracker.events) if isinstance(e, (ActionExecuted, ActionExecutionRejected))
        )
        rejected = isinstance(next(acted, None), ActionExecutionRejected)
        if self._chengda_rules is None or tracker.followup_action or rejected:
            return upstream(self, tracker)
        inputs = {PLACEHOLDER_TRACKER: tracker}
        found = self.graph_runner.run(inputs=inputs, targets=[self._chengda_rules])[self._chengda_rules]
        if found.max_confidence < 1.0:
            return upstream(self, tracker)
        return DefaultPolicyPredictionEnsemble().combine_predictions([found], tracker, self.domain)

    predict.upstream = upstream  # type: ignore[attr-defined]
    MessageProcessor._predict_next_with_tracker = predict


def _rules_before_memory(processor: Any) -> str | None:
    """Return the graph node of the rules, or `None` where other policies than memory stand beside them."""
    from rasa.core.policies.ensemble import DefaultPolicyPredictionEnsemble
    from rasa.core.policies.memoization import MemoizationPolicy
    from rasa.core.policies.rule_policy import RulePolicy

    nodes, target = processor.graph_runner._graph_schema.nodes, processor.model_metadata.core_target
    if target not in nodes or nodes[target].uses is not DefaultPolicyPredictionEnsemble:
        return None
    priorities: dict[str, int] = {}
    for name in nodes[target].needs.values():
        if name in nodes and issubclass(nodes[name].uses, (RulePolicy, MemoizationPolicy)):
            config = {**nodes[name].uses.get_default_config(), **nodes[name].config}
            priorities[name] = int(config["priority"])
        elif name in nodes and nodes[name].fn == "predict_action_probabilities":
            return None
    rules = [name for name in priorities if issubclass(nodes[name].uses, RulePolicy)]
    if len(rules) != 1 or any(priorities[n] >= priorities[rules[0]] for n in priorities if n != rules[0]):
        return None
    return rules[0]


class _StubType(type):
    """Class attributes of a stub are stubs too: `tf.keras.layers.Layer` stands in annotations and bases."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stub(f"{cls.__module__}.{cls.__name__}", name)

    def __getitem__(cls, _: Any) -> Any:
        return cls


def _stub(module: str, name: str) -> Any:
    def refuse(*_: Any, **__: Any) -> None:
        raise PatchError(f"{module}.{name} needs TensorFlow, which this process was started without")

    return _StubType(name, (), {"__init__": refuse, "__module__": module})


class _StubModule(types.ModuleType):
    """A module any class can be imported from; using such a class fails with a plain message."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # A path makes it a package, so that its submodules are looked for, here again.
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return name.lower() if name.isupper() else _stub(self.__name__, name)


class _TensorFlowStub(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if any(name == root or name.startswith(root + ".") for root in _TENSORFLOW_ROOTS):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        return None


def keep_tensorflow_out() -> None:
    """Serve without TensorFlow: saves about 9 s of start and 400 MB for a pipeline that never uses it.

    Replaces the import chain `rasa.core.policies.policy` → `rasa.utils.train_utils` → TensorFlow. Call it before
    the first import of `rasa.core`; it does nothing when TensorFlow is loaded already.
    """
    if "tensorflow" in sys.modules or any(isinstance(finder, _TensorFlowStub) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _TensorFlowStub())
