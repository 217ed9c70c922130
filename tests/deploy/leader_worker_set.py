"""A LeaderWorkerSet against what its definition (leaderworkerset.x-k8s.io/v1) takes, of what ours use.

No package has its schema: numbers are whole, the policy is one of a few words, and each template is a pod's.
"""

from __future__ import annotations

from typing import Any

import kubernetes_validate


def check_leader_worker_set(found: dict[str, Any]) -> None:
    assert found["apiVersion"] == "leaderworkerset.x-k8s.io/v1"
    assert set(found["spec"]) == {"replicas", "leaderWorkerTemplate"}
    assert type(found["spec"]["replicas"]) is int
    template = found["spec"]["leaderWorkerTemplate"]
    assert set(template) == {"size", "restartPolicy", "leaderTemplate", "workerTemplate"}
    assert type(template["size"]) is int
    assert template["size"] > 1
    assert template["restartPolicy"] in ("None", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart")
    for role in ("leaderTemplate", "workerTemplate"):
        pod = {"apiVersion": "v1", "kind": "Pod", **template[role]}
        pod["metadata"] = {**pod["metadata"], "name": "of-a-set"}
        kubernetes_validate.validate(pod, "1.33", strict=True)
        assert "$(LWS_LEADER_ADDRESS)" in " ".join(pod["spec"]["containers"][0]["command"])
