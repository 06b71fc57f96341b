"""A submitted graph's validation: the same findings as ComfyUI's, in the same words.

ComfyUI walks its inputs and outputs in set order; here it is the declared order.
"""

import traceback
from dataclasses import dataclass, field
from typing import Any

from tests.fake_comfyui.catalog import Catalog, Input
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.findings import check_value, error, is_link, types_match
from tests.fake_comfyui.options import Version
from tests.fake_comfyui.recorded import Json


@dataclass(frozen=True)
class Verdict:
    """`error` is None where at least one output may run."""

    error: Json | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class _Checked:
    """`errors` may be empty in an invalid node: the fault is then upstream."""

    valid: bool
    errors: list[Json]


class GraphCheck:
    """One validation of one graph. Values are converted in place, as ComfyUI does."""

    def __init__(self, graph: Json, catalog: Catalog, files: Files, version: Version) -> None:
        self._graph = graph
        self._catalog = catalog
        self._files = files
        self._version = version
        self._checked: dict[str, _Checked] = {}
        self._path: list[str] = []

    def verdict(self) -> Verdict:
        for node_id, node in self._graph.items():
            if node.get("class_type") not in self._catalog:
                return Verdict(self._missing_class(node_id, node))
        candidates = [
            node_id
            for node_id, node in self._graph.items()
            if self._catalog.is_output(node["class_type"])
        ]
        if not candidates:
            return Verdict(error("prompt_no_outputs", "Prompt has no outputs"))
        return self._check_outputs(candidates)

    def _missing_class(self, node_id: str, node: Json) -> Json:
        class_type = node.get("class_type")
        details = f"Node ID '#{node_id}'"
        if self._version is Version.OLD:
            problem = f"node {class_type} does not exist."
            if class_type is None:
                problem = "a node is missing the class_type property."
            return error("invalid_prompt", f"Cannot execute because {problem}", details)
        title = node.get("_meta", {}).get("title", class_type)
        message = f"Node '{title}' not found. The custom node may not be installed."
        if class_type is None:
            message = f"Node '{title or f'ID #{node_id}'}' has no class_type."
        return error(
            "missing_node_type",
            message,
            details,
            node_id=node_id,
            class_type=class_type,
            node_title=title,
        )

    def _check_outputs(self, candidates: list[str]) -> Verdict:
        good: list[str] = []
        findings: list[str] = []
        node_errors: dict[str, Json] = {}
        for output in candidates:
            checked = self._check_output(output)
            if checked.valid:
                good.append(output)
                continue
            findings += [f"{one['message']}: {one['details']}" for one in checked.errors]
            self._collect(output, node_errors)
        if good:
            return Verdict(None, good, node_errors)
        failed = error(
            "prompt_outputs_failed_validation",
            "Prompt outputs failed validation",
            "\n".join(findings),
        )
        return Verdict(failed, [], node_errors)

    def _collect(self, output: str, node_errors: dict[str, Json]) -> None:
        """Blame every faulty node seen so far on this output too: ComfyUI is that coarse."""
        for node_id, checked in self._checked.items():
            if not checked.valid and checked.errors:
                entry = node_errors.setdefault(
                    node_id,
                    {
                        "errors": checked.errors,
                        "dependent_outputs": [],
                        "class_type": self._graph[node_id]["class_type"],
                    },
                )
                entry["dependent_outputs"].append(output)

    def _check_output(self, node_id: str) -> _Checked:
        try:
            return self._check_node(node_id)
        except (KeyError, IndexError, TypeError, AttributeError) as problem:
            finding = error(
                "exception_during_validation",
                "Exception when validating node",
                str(problem),
                exception_type=type(problem).__name__,
                traceback=traceback.format_tb(problem.__traceback__),
            )
            self._checked[node_id] = _Checked(False, [finding])
            return self._checked[node_id]

    def _check_node(self, node_id: str) -> _Checked:
        if node_id in self._checked:
            return self._checked[node_id]
        if node_id in self._path:
            return self._cycle(node_id)
        self._path.append(node_id)
        try:
            checked = self._check_inputs(node_id)
        finally:
            self._path.pop()
        return self._checked.setdefault(node_id, checked)

    def _cycle(self, node_id: str) -> _Checked:
        nodes = self._path[self._path.index(node_id) :]
        details = " -> ".join([*nodes, node_id])
        for member in nodes:
            finding = error(
                "dependency_cycle",
                "Dependency cycle detected",
                details,
                node_id=member,
                cycle_nodes=nodes,
            )
            self._checked[member] = _Checked(False, [finding])
        return self._checked[node_id]

    def _check_inputs(self, node_id: str) -> _Checked:
        values = self._graph[node_id]["inputs"]
        class_type = self._graph[node_id]["class_type"]
        custom = self._catalog.node(class_type).custom_checked
        errors: list[Json] = []
        upstream_valid = True
        for declared in self._catalog.inputs(class_type):
            name = declared.name
            if name not in values:
                if declared.required:
                    message = "Required input is missing"
                    errors.append(error("required_input_missing", message, name, input_name=name))
            elif is_link(values[name]):
                finding, valid = self._check_link(declared, values[name])
                errors += [finding] if finding else []
                upstream_valid = upstream_valid and valid
            else:
                files = self._files if name in custom else None
                found = check_value(declared, values, files)
                errors += [found] if found else []
        return _Checked(upstream_valid and not errors, errors)

    def _check_link(self, declared: Input, link: list[Any]) -> tuple[Json | None, bool]:
        about: Json = {"input_name": declared.name, "input_config": declared.info}
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return error(
                "bad_linked_input", message, declared.name, **about, received_value=link
            ), True
        source, slot = link
        received = self._catalog.output_types(self._graph[source]["class_type"])[slot]
        if not types_match(received, declared.type):
            details = (
                f"{declared.name}, received_type({received}) mismatch input_type({declared.type})"
            )
            message = "Return type mismatch between linked nodes"
            about |= {"received_type": received, "linked_node": link}
            return error("return_type_mismatch", message, details, **about), True
        try:
            return None, self._check_node(source).valid
        except (KeyError, IndexError, TypeError, AttributeError) as problem:
            finding = error(
                "exception_during_inner_validation",
                "Exception when validating inner node",
                str(problem),
                **about,
                exception_message=str(problem),
                exception_type=type(problem).__name__,
                traceback=traceback.format_tb(problem.__traceback__),
                linked_node=link,
            )
            self._checked[source] = _Checked(False, [finding])
            return None, False
