"""What a report has to say that the model leaves out. Whoever models one of these removes its line."""

from __future__ import annotations

from infermodel.architecture import ExpertFeedForward
from infermodel.report.findings import Findings

ALWAYS = (
    "the network between the users and the service; before and after the scheduler only the engine's fixed times",
    "KV cache kept outside the device's memory, and moved between replicas but from those that read prompts to others",
    "changes of the clock with temperature and power caps, slow devices among fast ones, noise of the host",
    "the quality of the answers, and what a lower precision does to it",
    "taxes, discounts, financing but for one rate of interest, and the second-hand value of systems",
)
"""True of every run."""


def not_modelled(findings: Findings) -> tuple[str, ...]:
    """What this run leaves out, most general first."""
    services = [each.service for each in findings.services]
    families = {pool.system.device.family for each in services for pool in each.pools}
    pools = [pool for each in services for pool in each.pools]
    more = (
        []
        if any(each.link for each in services)
        else ["prefill and decode on separate pools, since no service has any"]
    )
    if not any(pool.scaling for pool in pools):
        more.append("starting and stopping of replicas during the run, since no service scales")
    if any(pool.failures for pool in pools):
        racks = all(pool.failures.rack for pool in pools if pool.failures)
        shared = "power of a hall, software" if racks else "power, switches, software"
        more.append(f"failures that several systems share ({shared}), and requests that clients give up")
    else:
        more.append("failures by chance, since no service has any; outages are those the scenario names")
    if any(
        isinstance(layer.feed_forward, ExpertFeedForward)
        for each in services
        for layer, _ in each.architecture.distinct_layers
    ):
        more.append("uneven use of experts: every token chooses its experts evenly and independently")
    if any(each.images for each in services):
        more.append("caches of images that come again in other prompts, and the way of images to the service")
    if any(each.decode_pool.speculation is not None for each in services):
        more.append(
            "how often drafts are right, which depends on the text: every draft has the share that the scenario says"
        )
    else:
        more.append("speculative decoding, since no service has drafts")
    if "gpu" in families:
        more.append("contention between GPUs of several replicas for host memory, PCIe and switches")
    if families & {"wafer", "lpu"}:
        more.append(
            "how compilers lay a model out on wafers and chips: a published law of layer times stands for it, "
            "with the range that the catalog gives"
        )
        more.append(
            "several tokens in a stage of a wafer or chip at once, sequences that overtake, the loading of weights"
        )
    if any(service.finds_prompts for service in services):
        more.append("prefix caches shared between replicas")
    return (*ALWAYS, *more)
