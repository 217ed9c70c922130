"""What three plans would have one deploy: a pod each, an engine that reads a file, and a replica over two nodes."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from tests.deploy.leader_worker_set import check_leader_worker_set

from infermodel import api
from infermodel.deploy import deployment_files

BASE = """
title: What is served
requests: 20
traffic:
  arrivals: {{kind: poisson, rate: 60 /min}}
  prompt_tokens: {{kind: fixed, tokens: 500}}
  output_tokens: {{kind: fixed, tokens: 30}}
objectives: {{ttft_p90: 5 s}}
services:
  - {{name: chat, model: {model}, limits: {{max_context: 8192}}{more}, fleet: {{system: dgx-h100}}}}
"""
PLAN = """
title: The cheapest that serves it
base: base.yaml
most_systems: {most}
replications: 1
fronts: false
candidates:
  - {{system: dgx-h100, price: {{rental: 20 USD/h}}, engine: {engine}, {layout}}}
"""
PLANS = {
    "pods": ("llama-3.1-8b", "vllm", "", "tensor_parallel: [1, 2]", 1, ["Deployment", "Service"]),
    "a file": ("llama-3.1-8b", "tensorrt-llm", ", prefix_caching: false", "tensor_parallel: 1", 1,
               ["ConfigMap", "Deployment", "Service"]),
    "nodes": ("deepseek-r1", "sglang", "", "tensor_parallel: 8, pipeline_parallel: 2", 2,
              ["LeaderWorkerSet", "Service"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_what_a_plan_would_have_one_deploy_is_what_kubernetes_takes(tmp_path: Path, name: str) -> None:
    model, engine, more, layout, most, kinds = PLANS[name]
    (tmp_path / "base.yaml").write_text(BASE.format(model=model, more=more))
    (tmp_path / "plan.yaml").write_text(PLAN.format(engine=engine, layout=layout, most=most))
    answer = api.plan(tmp_path / "plan.yaml")
    assert answer.fleet is not None
    text = deployment_files(answer.fleet)["deploy.yaml"]
    found = [each for each in yaml.safe_load_all(text) if each]
    assert [each["kind"] for each in found] == kinds
    for each in found:
        if each["kind"] == "LeaderWorkerSet":
            check_leader_worker_set(each)
        else:
            kubernetes_validate.validate(each, "1.33", strict=True)
    started = next(each for each in found if each["kind"] in ("Deployment", "LeaderWorkerSet"))
    (service,) = answer.fleet.services
    assert started["spec"]["replicas"] == service.pool.replicas
