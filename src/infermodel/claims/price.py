"""Questions about dollars and watts."""

from __future__ import annotations

from statistics import median

from infermodel import catalog
from infermodel.claims.evidence import Arguments, BadClaim, Evidence
from infermodel.claims.verdict import Answer


def price(evidence: Evidence, arguments: Arguments) -> Answer:
    """USD per token of a `service` at its capacity: `part` is blended (default), input or output."""
    capacity, part = evidence.capacity(arguments), str(arguments.get("part", "blended"))
    summary, economics = capacity.summary, capacity.economics
    if summary is None or economics is None or economics.split is None:
        return Answer(float("nan"), float("nan"), float("nan"), capacity.note)
    parts = {
        "blended": economics.blended_usd_per_mtok,
        "input": economics.split.input_usd_per_mtok,
        "output": economics.split.output_usd_per_mtok,
    }
    cost = parts.get(part)
    if cost is None:
        raise BadClaim(f"no price of {part!r}; there are {', '.join(parts)}")
    mix = summary.itpm / summary.otpm
    reason = (
        f"cost at capacity ({summary.rpm:,.0f} requests a minute, {mix:.1f} tokens in for one out, "
        f"{summary.utilisation:.0%} busy), from the lowest known purchase price to the highest"
    )
    bought = evidence.service(arguments).service.prices.purchase_usd
    condition = (
        f"a system costs nearer {bought.low / 1e6:.2f} than {bought.mid / 1e6:.2f} million dollars" if bought else ""
    )
    # The capacity is known to its bracket: at the upper end the same dollars make more tokens.
    return Answer(cost.mid / 1e6, cost.low / 1e6 * capacity.low / capacity.high, cost.high / 1e6, reason, condition)


def list_price_share(evidence: Evidence, arguments: Arguments) -> Answer:
    """List price of `model` in the price list `of` over that in the price lists `to`, at 3 tokens in for 1 out."""
    model, names = str(arguments["model"]), [str(each) for each in arguments["to"]]
    own = _blended_usd(str(arguments["of"]), model)
    shares = {name: own / _blended_usd(name, model) for name in names}
    cheapest = min(shares, key=lambda name: shares[name])
    said = ", ".join(f"{share:.2f} of {catalog.load_price(name).of}" for name, share in shares.items())
    reason = f"list prices at 3 tokens in for 1 out: {said}"
    middle = median(shares.values())
    return Answer(
        middle,
        min(shares.values()),
        max(shares.values()),
        reason,
        f"the baseline is the list price of {catalog.load_price(cheapest).of}",
        {catalog.load_price(name).of: share for name, share in shares.items()},
    )


def _blended_usd(name: str, model: str) -> float:
    tokens = catalog.load_price(name).tokens(model)
    return (3 * tokens.input.value + tokens.output.value) / 4


def power_share(evidence: Evidence, arguments: Arguments) -> Answer:
    """Rated power of one `system` over that of another, `to`; beside it the ratio per token of two `services`."""
    one, other = catalog.load_system(str(arguments["system"])), catalog.load_system(str(arguments["to"]))
    bounds = {}
    if "services" in arguments:
        found = evidence.services(arguments)
        watts = [each.service.system.power_max_w * each.service.systems for each in found]
        rates = [evidence.capacity({"service": each.service.name}) for each in found]
        summaries = [each.summary for each in rates]
        if len(found) == 2 and all(summaries):
            first, second = (w / s.tpm for w, s in zip(watts, summaries, strict=True) if s is not None)
            bounds["rated power for each token at capacity"] = first / second
    ratio = one.power_max_w / other.power_max_w
    reason = (
        f"{one.power_max_w / 1e3:.1f} kW for one {one.title}, {other.power_max_w / 1e3:.1f} kW for one {other.title}"
    )
    if bounds:
        reason += f"; for each token at capacity {next(iter(bounds.values())):.1f} times"
    return Answer(ratio, ratio, ratio, reason, "", bounds)
