"""Tells what an installation serves from: its policies, experiments and snapshots."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Response

from index.snapshot.manifest import DamagedSnapshot
from service.api.context import Wiring
from service.api.operations import Call, Operation
from service.archive.manager import Catalogue, NoSnapshot
from service.experiments.definitions import Experiment
from service.http.responses import json_response


class AdminEndpoints:
    """The operations that describe the installation."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def operations(self) -> tuple[Operation, ...]:
        """Their declarations."""
        return (
            Operation(
                path="/v1/policies",
                handler=self.policies,
                summary="The policies and their numbers",
                responses={200: "Policies"},
            ),
            Operation(
                path="/v1/experiments",
                handler=self.experiments,
                summary="The experiments and whether they run",
                description="Which variants there are. Who gets which, and what is known of the result, is not "
                "public.",
                responses={200: "Experiments"},
            ),
            Operation(
                path="/v1/snapshots",
                handler=self.snapshots,
                summary="The snapshots in the store",
                responses={200: "Snapshots"},
            ),
        )

    def policies(self, _call: Call) -> Response:
        """The policies, and which one is the default."""
        policies = self._wiring.policies
        return json_response({"default": policies.default, "policies": list(policies)})

    def experiments(self, _call: Call) -> Response:
        """What is public of the experiments."""
        today = self._wiring.access.today()
        summaries = [experiment_summary(experiment, today) for experiment in self._wiring.experiments.by_key.values()]
        return json_response({"experiments": summaries})

    def snapshots(self, _call: Call) -> Response:
        """The snapshots in the store."""
        catalogue = self._wiring.catalogue
        return json_response(
            {
                "channel": catalogue.channel,
                "live_store": catalogue.live_store_name or None,
                "snapshots": _snapshots(catalogue),
            }
        )


def experiment_summary(experiment: Experiment, today: date) -> dict[str, Any]:
    """What anybody who may read lists may know of an experiment.

    Lists tell a reader's experiment and variant anyway. The overrides are readers' pseudonyms, the salt says who gets
    which variant, and the purpose is the newsroom's own business: none of these is in it.
    """
    return {
        "key": experiment.key,
        "block": experiment.block,
        "mode": experiment.mode,
        "starts_on": experiment.starts_on,
        "ends_on": experiment.ends_on,
        "state": experiment.state(today),
        "variants": [{"key": each.key, "weight": each.weight} for each in experiment.variants],
    }


def _snapshots(catalogue: Catalogue) -> list[dict[str, Any]]:
    try:
        serving = catalogue.current().id
    except NoSnapshot:
        serving = None
    try:
        active = catalogue.active_id()
    except (OSError, UnicodeDecodeError):  # a pointer that cannot be read: /readyz says so
        active = None
    found = []
    for snapshot_id, manifest in catalogue.manifests():
        entry: dict[str, Any] = {
            "id": snapshot_id,
            "active": snapshot_id == active,
            "serving": snapshot_id == serving,
        }
        if isinstance(manifest, DamagedSnapshot):
            entry["damaged"] = manifest.reason
        else:
            entry |= {"created": manifest.created, "channel": manifest.channel, "counts": manifest.counts}
            entry |= {"models": manifest.models, "damaged": None}
        found.append(entry)
    return found
