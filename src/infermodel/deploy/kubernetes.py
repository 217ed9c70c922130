"""Kubernetes objects of a pool: a Deployment, or a LeaderWorkerSet where a replica spans nodes, and a Service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from infermodel.deploy.command import PORT, Command
from infermodel.deploy.engines import CONFIG_FILE, on_amd
from infermodel.scenario.resolved import ResolvedPool

LONGEST_NAME = 40

STARTS_WITHIN_S = 3600
"""Weights of a large model are fetched and loaded for many minutes."""

HOPELESS = "several nodes of TensorRT-LLM start by MPI, for which there is no plain object"


def object_name(service: str, taken: Sequence[str] = ()) -> str:
    """A name as Kubernetes wants it: lower case letters, digits and dashes, a letter first.

    >>> object_name("CS-3 & 8B"), object_name("70B", ["s-70b"]), object_name("--")
    ('cs-3-8b', 's-70b-2', 'service')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", service.lower()).strip("-")[:LONGEST_NAME].strip("-") or "service"
    plain = plain if plain[0].isalpha() else f"s-{plain}"
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    return found


def objects(pool: ResolvedPool, command: Command, name: str) -> list[dict[str, Any]]:
    """What starts a pool; empty where no object does (see `HOPELESS`)."""
    if command.nodes is not None and not command.nodes.others:
        return []
    labels = {"app": name}
    found = [_config_map(name, command)] if command.config else []
    gpu = "amd.com/gpu" if on_amd(pool) else "nvidia.com/gpu"
    if command.nodes is None:
        pod = {"metadata": {"labels": labels}, "spec": _pod(name, command, gpu, first=True)}
        spec = {"replicas": pool.replicas, "selector": {"matchLabels": labels}, "template": pod}
        found.append(_object("apps/v1", "Deployment", name, spec))
        selected = labels
    else:
        selected = {**labels, "role": "leader"}
        template = {
            "size": command.nodes.count,
            "restartPolicy": "RecreateGroupOnPodRestart",
            "leaderTemplate": {"metadata": {"labels": selected}, "spec": _pod(name, command, gpu, first=True)},
            "workerTemplate": {"metadata": {"labels": labels}, "spec": _pod(name, command, gpu, first=False)},
        }
        spec = {"replicas": pool.replicas, "leaderWorkerTemplate": template}
        found.append(_object("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", name, spec))
    ports = [{"name": "http", "port": PORT, "targetPort": PORT}]
    return [*found, _object("v1", "Service", name, {"selector": selected, "ports": ports})]


def _object(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def _config_map(name: str, command: Command) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app": name}}
    data = {CONFIG_FILE.rpartition("/")[2]: command.config}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _pod(name: str, command: Command, gpu: str, *, first: bool) -> dict[str, Any]:
    """A node of a replica: the engine with its GPUs, and shared memory for its processes."""
    words = command.arguments(first=first, leader="$(LWS_LEADER_ADDRESS)", index="$(LWS_WORKER_INDEX)")
    mounts = [{"name": "shared-memory", "mountPath": "/dev/shm"}]
    volumes: list[dict[str, Any]] = [{"name": "shared-memory", "emptyDir": {"medium": "Memory"}}]
    if command.config:
        mounts.append({"name": "engine", "mountPath": CONFIG_FILE.rpartition("/")[0]})
        volumes.append({"name": "engine", "configMap": {"name": name}})
    token = {"secretKeyRef": {"name": "hugging-face", "key": "token", "optional": True}}
    container: dict[str, Any] = {
        "name": "engine",
        "image": command.image,
        "command": words,
        "env": [{"name": "HF_TOKEN", "valueFrom": token}],
        "resources": {"limits": {gpu: str(command.devices)}},
        "volumeMounts": mounts,
    }
    if first:
        asks = {"httpGet": {"path": "/health", "port": PORT}}
        container |= {
            "ports": [{"name": "http", "containerPort": PORT}],
            "startupProbe": {**asks, "periodSeconds": 10, "failureThreshold": STARTS_WITHIN_S // 10},
            "readinessProbe": {**asks, "periodSeconds": 10},
        }
    return {"containers": [container], "volumes": volumes}
