"""The commands and the objects of a scenario's services as text: for a terminal and as files of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from infermodel.deploy.command import Command
from infermodel.deploy.engines import CHECKED, command_of
from infermodel.deploy.kubernetes import HOPELESS, object_name, objects
from infermodel.scenario.resolved import ResolvedPool, ResolvedScenario, ResolvedService

DEPLOY_SCRIPT, DEPLOY_YAML = "deploy.sh", "deploy.yaml"

NOTHING = "no engine that one can install runs on these devices"


def deployment_lines(services: Sequence[ResolvedService]) -> list[str]:
    """The command of each service that has one, for a terminal, with how many times it is started."""
    lines = []
    for name, pool, command in _commands(services):
        if command is not None:
            lines += [f"{name}, {_times(pool, command)}:", f"  {command.line()}"]
    return lines


def deployment_rows(services: Sequence[ResolvedService]) -> list[dict[str, Any]]:
    """The same for a program: a row for each service that has a command; `others` on the further nodes of a replica."""
    return [
        {
            "service": name,
            "replicas": pool.replicas,
            "devices_per_replica": pool.devices_per_replica,
            "nodes_per_replica": command.nodes.count if command.nodes else 1,
            "command": command.line(),
            "others": command.line(first=False) if command.nodes and command.nodes.others else None,
            "notes": list(command.notes),
        }
        for name, pool, command in _commands(services)
        if command is not None
    ]


def deployment_files(scenario: ResolvedScenario) -> dict[str, str]:
    """`deploy.sh` with the command lines and `deploy.yaml` with Kubernetes objects; none where no service has any."""
    commands = _commands(scenario.services)
    if all(command is None for *_, command in commands):
        return {}
    checked = ", ".join(CHECKED.values())
    script = ["#!/bin/sh", f"# How the services of this report are started. Arguments are named as in {checked}."]
    manifest = [
        "# The same for Kubernetes: kubectl apply -f deploy.yaml. Replicas that span nodes need LeaderWorkerSet.",
        "# Images are named as their projects name them; nothing here was looked up in a registry.",
    ]
    taken: list[str] = []
    for name, pool, command in commands:
        script += ["", f"# {_plain(name)}: {NOTHING if command is None else _times(pool, command)}"]
        if command is None:
            continue
        script += [f"# {_plain(note)}" for note in command.notes]
        script += _script(command)
        taken.append(object_name(name, taken))
        found = objects(pool, command, taken[-1])
        notes = [
            f"# {_plain(name)}: {pool.system.title}",
            *(f"# {_plain(note)}" for note in command.notes),
        ]
        manifest += [*notes, *([] if found else [f"# {HOPELESS}"])]
        manifest += ["---\n" + _dump(each) for each in found]
    return {DEPLOY_SCRIPT: "\n".join(script) + "\n", DEPLOY_YAML: "\n".join(manifest) + "\n"}


def _commands(services: Sequence[ResolvedService]) -> list[tuple[str, ResolvedPool, Command | None]]:
    """Name, pool and command of each pool."""
    return [(name, pool, command_of(service, pool)) for service in services for name, pool in service.named_pools]


def _script(command: Command) -> list[str]:
    """Lines of a shell for one replica."""
    lines = []
    if command.config:
        lines += [f"# {line}" for line in ("the configuration file:", *command.config.splitlines())]
    if command.nodes is None or not command.nodes.others:
        return [*lines, command.line()]
    first, others = "# on the first node, whose address is $LEADER", "# on node $INDEX of the others, counted from 1"
    return [*lines, first, command.line(), others, command.line(first=False)]


def _times(pool: ResolvedPool, command: Command) -> str:
    """How often it is started, and on what."""
    nodes = f" over {command.nodes.count} nodes" if command.nodes else ""
    return f"{pool.replicas} x {pool.devices_per_replica} devices{nodes} of {pool.system.title}"


def _dump(content: dict[str, Any]) -> str:
    """YAML in which every part stands in its place; the dumper would refer to one that comes twice."""
    return yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False, width=1000).rstrip("\n")


def _plain(text: str) -> str:
    """Text that stays on the line of its comment."""
    return "".join(character if character.isprintable() else " " for character in text)
