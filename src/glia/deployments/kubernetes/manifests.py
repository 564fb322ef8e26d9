"""The objects of Kubernetes that a deployment is made of. Pure rules.

Its variables and the address of its program are in a Secret for each version, so that an old version's pods keep
theirs and an address can be renewed without replacing a pod.
"""

from __future__ import annotations

import base64
import math
from typing import Any

from glia.deployments import checks
from glia.deployments.config import KubernetesConfig
from glia.deployments.kubernetes.things import Thing
from glia.deployments.kubernetes.wishes import (
    CONTAINER,
    DEPLOYMENT,
    DOWNLOAD_CONTAINER,
    GATE,
    GENERATION,
    INSTALLATION,
    PROGRAM_AT,
    TARGET,
    VERSION,
    Place,
    Prepared,
    Version,
    labels_of,
    object_name,
    secret_name,
)
from glia.deployments.node_queries import Wish
from glia.deployments.types import MIB

URL_KEY = "glia.url"
_VARIABLE = "env."
_STORAGE_MIB = 1024
_TOOLS_MEMORY = "64Mi"
_INTERNET = (
    (
        "0.0.0.0/0",
        [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
        ],
    ),
    ("::/0", ["::1/128", "fc00::/7", "fe80::/10"]),
)
_DOWNLOAD = """set -eu
cd /app
n=0
until wget -q -O .download "$GLIA_PROGRAM_URL"; do
  n=$((n + 1))
  if [ $n -ge 5 ]; then echo "The program could not be downloaded from the server." >&2; exit 1; fi
  sleep $n
done
echo "$GLIA_PROGRAM_SHA256  .download" | sha256sum -c - > /dev/null 2>&1 || {
  echo "The program that was downloaded has another sha256 than it should." >&2; exit 1; }
tar -xf .download
rm .download
"""


def secret(place: Place, prepared: Prepared, url: str) -> Thing:
    version = prepared.version
    name = secret_name(version.deployment_id, version.id)
    labels = {**labels_of(place, version.deployment_id), VERSION: str(version.id)}
    texts = {URL_KEY: url, **{_VARIABLE + key: value for key, value in prepared.environment.items()}}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return _object("v1", "Secret", name, place, labels, type="Opaque", data=data)


def service(place: Place, version: Version) -> Thing:
    """For whatever else runs in the cluster; Glia itself goes to the pods, so that it knows which is how busy."""
    labels = labels_of(place, version.deployment_id)
    port = {"name": "http", "port": 80, "targetPort": version.port, "protocol": "TCP"}
    spec = {"selector": _selector(place, version), "ports": [port], "type": "ClusterIP"}
    return _object("v1", "Service", object_name(version.deployment_id), place, labels, spec=spec)


def policy(place: Place, version: Version, server: tuple[list[str], int] | None) -> Thing:
    """Nothing goes out but questions for names, downloads from the server, by address and by label, and, for a program
    that may, what goes to the internet. server: its addresses and its port; None opens everything."""
    labels = labels_of(place, version.deployment_id)
    egress: list[Thing] = [{}] if server is None else _ways_out(version, *server)
    spec = {"podSelector": {"matchLabels": _selector(place, version)}, "policyTypes": ["Egress"], "egress": egress}
    name = object_name(version.deployment_id)
    return _object("networking.k8s.io/v1", "NetworkPolicy", name, place, labels, spec=spec)


def _ways_out(version: Version, addresses: list[str], port: int) -> list[Thing]:
    names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    ours = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "glia"}}, "namespaceSelector": {}}
    ways: list[Thing] = [{"ports": names}, {"to": [ours]}]
    if addresses:  # an empty list would mean everybody
        blocks = [{"ipBlock": {"cidr": f"{each}/{128 if ':' in each else 32}"}} for each in addresses]
        ways.append({"to": blocks, "ports": [{"protocol": "TCP", "port": port}]})
    if version.network == "public":
        blocks = [{"ipBlock": {"cidr": everything, "except": private}} for everything, private in _INTERNET]
        ways.append({"to": blocks, "ports": [{"protocol": "TCP", "port": each} for each in (80, 443)]})
    return ways


def deployment(
    place: Place, config: KubernetesConfig, wish: Wish, prepared: Prepared, target: str, stop: float
) -> Thing:
    """target: noted on it, so that a later look tells whether it must be written again. stop: seconds between SIGTERM
    and SIGKILL."""
    version = prepared.version
    spec: Thing = {
        "replicas": wish.replicas if wish.is_wanted else 0,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": math.ceil(config.start_seconds),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": _selector(place, version)},
        "template": _template(place, config, wish, prepared, stop),
    }
    labels = labels_of(place, version.deployment_id)
    made = _object("apps/v1", "Deployment", object_name(version.deployment_id), place, labels, spec=spec)
    made["metadata"]["annotations"] = {TARGET: target}
    return made


def _template(place: Place, config: KubernetesConfig, wish: Wish, prepared: Prepared, stop: float) -> Thing:
    version = prepared.version
    memory = checks.memory_of(version.memory)
    spec: Thing = {
        "initContainers": [_download(config, prepared)],
        "containers": [_program(config, prepared)],
        "volumes": [
            {"name": "app", "emptyDir": {"sizeLimit": f"{_STORAGE_MIB}Mi"}},
            *(_memory_volume(name, memory) for name in ("tmp", "workspace")),
        ],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": config.user,
            "runAsGroup": config.user,
            "fsGroup": config.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": config.drain_seconds + math.ceil(stop),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _selector(place, version)},
            }
        ],
    }
    machines = {"topology.kubernetes.io/region": wish.region} if wish.region and not place.has_region else {}
    machines |= {"kubernetes.io/arch": prepared.architecture} if prepared.architecture else {}
    optional: Thing = {
        "nodeSelector": machines,
        "readinessGates": [] if version.must_listen else [{"conditionType": GATE}],
        "serviceAccountName": config.service_account,
        "runtimeClassName": config.runtime_class,
        "imagePullSecrets": [{"name": config.pull_secret}] if config.pull_secret else None,
    }
    spec |= {name: value for name, value in optional.items() if value}
    labels = {**labels_of(place, version.deployment_id), VERSION: str(version.id), GENERATION: str(wish.generation)}
    return {"metadata": {"labels": labels}, "spec": spec}


def _download(config: KubernetesConfig, prepared: Prepared) -> Thing:
    """Brings the program, and looks whether it is what it should be."""
    version = prepared.version
    name = secret_name(version.deployment_id, version.id)
    url = {"secretKeyRef": {"name": name, "key": URL_KEY}}
    return {
        "name": DOWNLOAD_CONTAINER,
        "image": config.download_image,
        "command": ["sh", "-c", _DOWNLOAD],
        "env": [
            {"name": "GLIA_PROGRAM_URL", "valueFrom": url},
            {"name": "GLIA_PROGRAM_SHA256", "value": prepared.sha256},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": _TOOLS_MEMORY}, "limits": {"memory": _TOOLS_MEMORY}},
        "volumeMounts": [{"name": "app", "mountPath": PROGRAM_AT}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _hardened(),
    }


def _program(config: KubernetesConfig, prepared: Prepared) -> Thing:
    version = prepared.version
    name = secret_name(version.deployment_id, version.id)
    amounts = {"cpu": _cores(version.cpu), "memory": str(checks.memory_of(version.memory))}
    variables: list[Thing] = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": _VARIABLE + key}}}
        for key in sorted(prepared.environment)
    ]  # a later one of the same name wins
    made: Thing = {
        "name": CONTAINER,
        "image": {"python": config.python_image, "node": config.node_image}.get(version.runtime, config.native_image),
        "command": list(prepared.argv),
        "workingDir": PROGRAM_AT,
        "env": [{"name": "HOME", "value": "/workspace"}, *variables, {"name": "PORT", "value": str(version.port)}],
        "ports": [{"name": "http", "containerPort": version.port, "protocol": "TCP"}],
        "resources": {"requests": amounts, "limits": amounts},
        "volumeMounts": [
            {"name": "app", "mountPath": PROGRAM_AT, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the program's own
            {"name": "workspace", "mountPath": "/workspace"},
        ],
        "lifecycle": {"preStop": {"sleep": {"seconds": config.drain_seconds}}},
        "securityContext": _hardened(),
    }
    if version.must_listen:
        made |= _probes(config, version)
    return made


def _probes(config: KubernetesConfig, version: Version) -> Thing:
    """Kubernetes itself asks where the program must answer; else we do, and open a gate (`gates.py`)."""
    ask = {"httpGet": {"path": version.health_path, "port": version.port}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**ask, "periodSeconds": 1, "failureThreshold": math.ceil(config.start_seconds)},
        "readinessProbe": {**ask, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**ask, "periodSeconds": 10, "failureThreshold": 3},
    }


def _hardened() -> Thing:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _memory_volume(name: str, memory_bytes: int) -> Thing:
    size = max(16, min(256, memory_bytes // MIB // 2))
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Mi"}}


def _cores(cpu: str) -> str:
    return f"{round(checks.cpus_of(cpu) * 1000)}m"


def _selector(place: Place, version: Version) -> dict[str, str]:
    return {INSTALLATION: place.installation, DEPLOYMENT: str(version.deployment_id)}


def _object(api: str, kind: str, name: str, place: Place, labels: dict[str, str], **more: Any) -> Thing:
    metadata = {"name": name, "namespace": place.namespace, "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}
