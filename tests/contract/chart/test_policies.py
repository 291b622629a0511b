"""What must be true of every value set: Pod Security restricted, secrets by reference, doors shut, nothing dangling."""

import re
from typing import Any

import pytest
import yaml

from tests.contract.chart.conftest import CHART, Manifest, Rendered, manifests, render

SECRETS = {"MLC_DATABASE_URL", "MLC_REDIS_URL", "MLC_OPERATOR_KEY", "MLC_MASTER_KEYS"}
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def matches(selector: Manifest, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    chosen = all(
        expression["operator"] == "In" and labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
    )
    return chosen and wanted.items() <= labels.items()


def labels_of(pod: Manifest) -> dict[str, str]:
    found: dict[str, str] = pod["metadata"]["labels"]
    return found


def test_pods_fulfil_the_restricted_standard(rendered: Rendered) -> None:
    for _, pod in rendered.pods():
        spec = pod["spec"]
        security = spec["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"], security["runAsGroup"]) == (True, 10001, 10001)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {kind for volume in spec["volumes"] for kind in set(volume) - {"name"}} <= VOLUMES
    for _, container in rendered.containers():
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in security
        assert all("hostPort" not in port for port in container.get("ports", []))


def test_no_token_of_the_cluster_is_mounted(rendered: Rendered) -> None:
    for _, pod in rendered.pods():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["enableServiceLinks"] is False
    for account in rendered.of("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_secrets_come_by_reference_only(rendered: Rendered) -> None:
    assert rendered.of("Secret") == []
    for workload, container in rendered.containers():
        by_reference = {env["name"] for env in container["env"] if "secretKeyRef" in env.get("valueFrom", {})}
        needed = {"MLC_DATABASE_URL"} if workload["kind"] == "Job" else SECRETS
        assert by_reference == needed
        assert not {env["name"] for env in container["env"] if "value" in env} & SECRETS
    for config in rendered.of("ConfigMap"):
        assert not SECRETS & set(config["data"])


def test_requests_and_limits_are_set(rendered: Rendered) -> None:
    for _, container in rendered.containers():
        assert set(container["resources"]["requests"]) >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_long_lived_containers_have_all_probes_on_ports_they_have(rendered: Rendered) -> None:
    for workload, container in rendered.containers():
        if workload["kind"] == "Deployment":
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["port"] in ports


def test_a_failing_database_takes_no_pod_out_of_service(rendered: Rendered) -> None:
    (api,) = rendered.one("Deployment", "-api")["spec"]["template"]["spec"]["containers"]

    assert api["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert {api[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")} == {"/healthz"}


def test_a_pod_is_replaced_when_its_settings_change(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        assert re.fullmatch(
            "[0-9a-f]{64}", deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        )


def test_a_worker_may_finish_its_slice(rendered: Rendered) -> None:
    settings = rendered.one("ConfigMap", "connector")["data"]
    slice_seconds = float(settings.get("MLC_SLICE_SECONDS", 60))
    pod = rendered.one("Deployment", "-worker")["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] >= slice_seconds + 60


def test_the_api_is_never_short_of_a_pod_while_it_is_replaced(rendered: Rendered) -> None:
    deployment = rendered.one("Deployment", "-api")

    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (api,) = deployment["spec"]["template"]["spec"]["containers"]
    pause = api["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = int(api["args"][api["args"].index("--grace-seconds") + 1])
    assert pause + grace < deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]


def test_selectors_select_exactly_their_pods(rendered: Rendered) -> None:
    pods = {workload["metadata"]["name"]: labels_of(pod) for workload, pod in rendered.pods()}
    for deployment in rendered.of("Deployment"):
        chosen = [name for name, labels in pods.items() if matches(deployment["spec"]["selector"], labels)]
        assert chosen == [deployment["metadata"]["name"]]
    for service in rendered.of("Service"):
        chosen = [name for name, labels in pods.items() if service["spec"]["selector"].items() <= labels.items()]
        assert len(chosen) == 1
    for budget in rendered.of("PodDisruptionBudget"):
        assert [n for n, labels in pods.items() if matches(budget["spec"]["selector"], labels)] == [
            budget["metadata"]["name"]
        ]


def test_every_pod_is_shut_and_each_door_is_meant(rendered: Rendered) -> None:
    policies = rendered.of("NetworkPolicy")
    if rendered.name == "bare":
        assert policies == []
        return
    shut = rendered.one("NetworkPolicy", "-deny")
    assert shut["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(shut["spec"])
    for _, pod in rendered.pods():
        assert matches(shut["spec"]["podSelector"], labels_of(pod))
        ports = sorted(
            str(port["port"])
            for policy in policies
            if matches(policy["spec"]["podSelector"], labels_of(pod)) and "Egress" in policy["spec"]["policyTypes"]
            for rule in policy["spec"].get("egress", [])
            for port in rule["ports"]
        )
        component = labels_of(pod)["app.kubernetes.io/component"]
        assert "5432" in ports
        assert ("6379" in ports) == ("443" in ports) == (component != "migration")


def test_no_vendor_call_leads_to_private_ranges_or_metadata(rendered: Rendered) -> None:
    for policy in rendered.of("NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            for peer in rule.get("to", []):
                block = peer.get("ipBlock", {})
                if block.get("cidr") == "0.0.0.0/0":
                    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16", "127.0.0.0/8"} <= set(block["except"])
                if block.get("cidr") == "::/0":
                    assert set(block["except"]) == {"fc00::/7", "fe80::/10"}


def test_the_migration_needs_nothing_that_comes_after_it(rendered: Rendered) -> None:
    for job in rendered.of("Job"):
        annotations = job["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        pod = job["spec"]["template"]["spec"]
        assert "serviceAccountName" not in pod
        assert pod["restartPolicy"] == "Never"
        assert "envFrom" not in pod["containers"][0]
        assert pod["containers"][0]["args"] == ["migrate"]
    hooks = [each for each in rendered.manifests if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    if rendered.name == "bare":
        assert hooks == []
    else:
        weights = {each["kind"]: int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in hooks}
        assert weights["NetworkPolicy"] < weights["Job"]


def test_one_image_for_all_parts(rendered: Rendered) -> None:
    images = {container["image"] for _, container in rendered.containers()}

    assert len(images) == 1
    assert not next(iter(images)).endswith(":latest")


def test_a_digest_goes_before_the_tag(production: Rendered) -> None:
    assert {"@sha256:" in container["image"] for _, container in production.containers()} == {True}


def test_the_migration_may_have_a_role_of_its_own(production: Rendered) -> None:
    (env,) = production.one("Job")["spec"]["template"]["spec"]["containers"][0]["env"]

    assert env["valueFrom"]["secretKeyRef"] == {"name": "connector-postgres-owner", "key": "uri"}


def test_a_mail_server_comes_by_reference_to_those_who_send(production: Rendered) -> None:
    values = {**production.values, "secrets": {**production.values.get("secrets", {})}}
    values["secrets"]["smtpUrl"] = {"name": "mail", "key": "url"}

    found = manifests(render(values))

    for each in (each for each in found if each["kind"] in ("Deployment", "Job")):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        given = [env["valueFrom"]["secretKeyRef"] for env in container["env"] if env["name"] == "MLC_SMTP_URL"]
        assert given == ([] if each["kind"] == "Job" else [{"name": "mail", "key": "url"}])


def test_whoever_scales_decides_alone(production: Rendered, keda: Rendered) -> None:
    for rendered in (production, keda):
        scaled = rendered.one("ScaledObject")["spec"]["scaleTargetRef"]["name"]
        assert "replicas" not in rendered.one("Deployment", scaled)["spec"]
    scaled = production.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    assert "replicas" not in production.one("Deployment", scaled)["spec"]
    assert keda.one("Deployment", "-api")["spec"]["replicas"] == 2


def test_keda_asks_the_metrics_service_that_exists(keda: Rendered) -> None:
    service = keda.one("Service", "-api-metrics")
    where = f"http://{service['metadata']['name']}.prod.svc:{service['spec']['ports'][0]['port']}/metrics"
    triggers = keda.one("ScaledObject")["spec"]["triggers"]

    assert {trigger["metadata"]["url"] for trigger in triggers} == {where}
    assert [trigger["metadata"]["valueLocation"] for trigger in triggers] == [
        "mlc_queue_age_seconds",
        'mlc_runs{state="running"}',
    ]


def test_the_monitor_finds_both_metrics_services_and_not_the_public_one(production: Rendered) -> None:
    monitor = production.one("ServiceMonitor")["spec"]
    found = [s for s in production.of("Service") if matches(monitor["selector"], s["metadata"]["labels"])]

    assert {service["metadata"]["name"].rpartition("connector-")[2] for service in found} == {
        "api-metrics",
        "worker-metrics",
    }
    for service in found:
        assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_rules_are_those_that_were_tried(production: Rendered) -> None:
    rules = [yaml.safe_load((CHART / "files/rules" / f"{n}.yaml").read_text("utf-8")) for n in ("recording", "alerts")]

    assert production.one("PrometheusRule")["spec"]["groups"] == [group for file in rules for group in file["groups"]]


def test_the_ingress_shows_what_is_public_with_its_limits(production: Rendered, keda: Rendered) -> None:
    ingress = production.one("Ingress")
    paths = {path["path"] for path in ingress["spec"]["rules"][0]["http"]["paths"]}
    annotations: dict[str, Any] = ingress["metadata"]["annotations"]

    assert paths == {"/v1", "/hooks", "/oauth", "/console"}
    assert ingress["spec"]["tls"] == [{"hosts": ["connector.acme.test"], "secretName": "connector-tls"}]
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "2m"
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "75"
    assert annotations["cert-manager.io/cluster-issuer"] == "acme"
    assert 'client-header-timeout: "15"' in production.files["NOTES.txt"]
    assert keda.one("Ingress")["metadata"]["annotations"]["haproxy.org/timeout-http-request"] == "15s"
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = next(s for s in production.of("Service") if s["metadata"]["name"] == backend["name"])
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize("words", ["No Ingress was asked for", "chosen by tag"])
def test_the_notes_warn_of_what_is_missing(bare: Rendered, all_rendered: dict[str, Rendered], words: str) -> None:
    assert words in all_rendered["minimal"].files["NOTES.txt"]
    assert words not in all_rendered["production"].files["NOTES.txt"]
    assert "run `ml-connector migrate`" in bare.files["NOTES.txt"]
