"""packaging/cluster: held to the published schemas, to each other, to this program's numbers and to docs/cluster.md."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import crossplane
import kubernetes_validate
import promql_parser
import pytest
import yaml

from autoglm_desktop.core.wishes import PHONE_CONTEXT_LEAST, PHONE_CONTEXT_RECOMMENDED
from autoglm_desktop.service.metrics import Metrics
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases.serve_gate import Gate
from tests.fakes.fake_session import FakeSession
from tests.unit import cluster_sizing

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "packaging" / "cluster"
PAGE = ROOT / "docs" / "cluster.md"
BODY_LIMIT = "64m"
PUBLISHED = {
    # Open-AutoGLM's README, "vLLM": all but --allowed-local-media-path /, which lets requests read files.
    "max-model-len": "25480",
    "chat-template-content-format": "string",
    "limit-mm-per-prompt": '{"image":10}',
    "mm-processor-kwargs": '{"max_pixels":5000000}',
    "mm-processor-cache-type": "shm",
    "mm-encoder-tp-mode": "data",
}


def text(name: str) -> str:
    return (CLUSTER / name).read_text(encoding="utf-8")


def with_defaults(value: str) -> str:
    """What Compose makes of a value where .env says nothing; what must be said becomes made-value."""
    value = re.sub(r"\$\{\w+:\?[^}]*\}", "made-value", value)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load(with_defaults(text("compose.yaml")))


@cache
def manifest() -> list[dict[str, Any]]:
    return [item for item in yaml.safe_load_all(text("kubernetes.yaml")) if item]


def resource(kind: str, name: str) -> dict[str, Any]:
    [found] = [item for item in manifest() if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def pod_templates() -> Iterator[tuple[str, dict[str, Any]]]:
    for item in manifest():
        if item["kind"] in ("Deployment", "Job"):
            yield item["metadata"]["name"], item["spec"]["template"]["spec"]


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for _name, pod in pod_templates():
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield container["name"], container


def flags(arguments: list[str]) -> dict[str, str]:
    """--name=value, by name. The model stands first, without a name."""
    named = [argument.removeprefix("--").partition("=") for argument in arguments[1:]]
    assert all(argument.startswith("--") for argument in arguments[1:])
    return {name: value for name, _equals, value in named}


def vllm_flags() -> tuple[dict[str, str], dict[str, str]]:
    [container] = resource("Deployment", "vllm")["spec"]["template"]["spec"]["containers"]
    return flags(compose()["services"]["vllm-1"]["command"]), flags(container["args"])


def images() -> list[str]:
    return [service["image"] for service in compose()["services"].values()] + [
        container["image"] for _name, container in containers()
    ]


class TestSchemas:
    def test_compose(self) -> None:
        command = ["--builtin-schema", "vendor.compose-spec", str(CLUSTER / "compose.yaml")]
        done = subprocess.run(
            [sys.executable, "-m", "check_jsonschema", *command], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_every_kubernetes_document(self) -> None:
        assert len(manifest()) == 13
        for item in manifest():
            kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)

    def test_the_strict_check_sees_a_wrong_field(self) -> None:
        wrong = copy.deepcopy(resource("HorizontalPodAutoscaler", "vllm"))
        wrong["spec"]["maximumReplicas"] = 4
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)

    @pytest.mark.parametrize("where", ["compose", "kubernetes"])
    def test_nginx(self, tmp_path: Path, where: str) -> None:
        files = resource("ConfigMap", "nginx")["data"] if where == "kubernetes" else {}
        for name in ("nginx.conf", "upstream.conf"):
            (tmp_path / name).write_text(files.get(name) or text(name), encoding="utf-8")
        parsed = crossplane.parse(str(tmp_path / "nginx.conf"))
        assert (parsed["status"], parsed["errors"]) == ("ok", [])
        assert len(parsed["config"]) == 2  # upstream.conf is included


class TestConsistency:
    def test_vllm_is_started_alike_everywhere(self) -> None:
        here, there = vllm_flags()
        assert here == there
        commands = [compose()["services"][f"vllm-{number}"]["command"] for number in (1, 2, 3)]
        assert commands[0] == commands[1] == commands[2]

    def test_open_autoglms_flags_are_there_and_local_files_stay_closed(self) -> None:
        here, _there = vllm_flags()
        assert PUBLISHED.items() <= here.items()
        assert here["served-model-name"] == "autoglm-phone-9b"  # what its client sends by default
        assert "allowed-local-media-path" not in here
        assert here["allowed-media-domains"].endswith(".invalid")
        assert "api-key" not in here

    def test_the_context_suits_the_agent_and_the_model(self) -> None:
        [model] = [model for model in catalog.load().models if model.id == "autoglm-phone-9b"]
        context = int(vllm_flags()[0]["max-model-len"])
        assert PHONE_CONTEXT_LEAST <= PHONE_CONTEXT_RECOMMENDED <= context <= model.context.value

    def test_autoscaling_is_at_75_percent_of_a_pods_places(self) -> None:
        [metric] = resource("HorizontalPodAutoscaler", "vllm")["spec"]["metrics"]
        places = int(vllm_flags()[0]["max-num-seqs"])
        assert float(metric["pods"]["target"]["averageValue"]) == 0.75 * places
        [rule] = yaml.safe_load(text("prometheus-adapter.yaml"))["rules"]["custom"]
        assert rule["name"]["as"] == metric["pods"]["metric"]["name"]
        assert "replicas" not in resource("Deployment", "vllm")["spec"]  # applying again does not undo it

    def test_nginx_is_the_same_file(self) -> None:
        assert resource("ConfigMap", "nginx")["data"]["nginx.conf"] == text("nginx.conf")

    def test_instances_weights_and_profiles(self) -> None:
        servers = re.findall(r"server (vllm-\d):8000 weight=(\d) .*resolve;", text("upstream.conf"))
        assert servers == [("vllm-1", "3"), ("vllm-2", "2"), ("vllm-3", "1")]
        for count in (1, 2, 3):
            running = [name for name, service in compose()["services"].items()
                       if f"instances-{count}" in service.get("profiles", [])]  # fmt: skip
            assert running == [f"vllm-{number}" for number in range(1, count + 1)]
        cards = [compose()["services"][name]["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"]
                 for name, _weight in servers]  # fmt: skip
        assert cards == [["0"], ["1"], ["2"]]

    def test_the_places_of_both_balancers_bound_the_queue(self) -> None:
        places = int(vllm_flags()[0]["max-num-seqs"])
        there = resource("ConfigMap", "nginx")["data"]["upstream.conf"]
        balancers = resource("Deployment", "nginx")["spec"]["replicas"]
        assert {int(most) for most in re.findall(r"max_conns=(\d+)", text("upstream.conf"))} == {4 * places}
        assert [balancers * int(most) for most in re.findall(r"max_conns=(\d+)", there)] == [4 * places]

    def test_idle_connections_end_before_vllm_ends_them(self) -> None:
        """vLLM 0.31.0 closes them after 5 s (VLLM_HTTP_TIMEOUT_KEEP_ALIVE)."""
        for upstream in (text("upstream.conf"), resource("ConfigMap", "nginx")["data"]["upstream.conf"]):
            [seconds] = re.findall(r"keepalive_timeout (\d+)s;", upstream)
            assert int(seconds) < 5

    def test_vllm_has_time_to_end_its_answers(self) -> None:
        drain = int(vllm_flags()[0]["shutdown-timeout"])
        pod = resource("Deployment", "vllm")["spec"]["template"]["spec"]
        [container] = pod["containers"]
        asleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > drain + asleep
        assert int(compose()["services"]["vllm-1"]["stop_grace_period"].removesuffix("s")) > drain

    def test_the_same_images_everywhere_each_with_a_version(self) -> None:
        for image in images():
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-alpine)?", image), image
        assert len({image.partition(":")[0] for image in images()}) == len(set(images()))
        assert all(image in PAGE.read_text(encoding="utf-8") for image in images())

    def test_the_example_names_every_variable(self) -> None:
        asked = set(re.findall(r"\$\{(\w+):", text("compose.yaml")))
        offered = set(re.findall(r"(?m)^(\w+)=", text(".env.example")))
        assert offered == asked | {"COMPOSE_PROFILES"}

    def test_the_examples_values_are_the_defaults(self) -> None:
        defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text("compose.yaml")))
        offered = dict(re.findall(r"(?m)^(\w+)=(.*)$", text(".env.example")))
        assert {name: offered[name] for name in defaults} == defaults


class TestConfinement:
    def test_containers_of_compose(self) -> None:
        for name, service in compose()["services"].items():
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert service.keys().isdisjoint({"privileged", "ipc", "pid", "devices"}), name
            assert service.get("network_mode") in (None, "none"), name
            root = service["user"].startswith("0:")
            assert not root or (name == "model-folder" and service["network_mode"] == "none"), name
            assert service["restart"] in ("unless-stopped", "no"), name
            if service["restart"] != "no":
                assert service["healthcheck"]["test"][0] == "CMD", name

    def test_vllm_has_no_way_out(self) -> None:
        assert compose()["networks"]["inner"] == {"internal": True}
        for number in (1, 2, 3):
            service = compose()["services"][f"vllm-{number}"]
            assert service["networks"] == ["inner"]
            assert "ports" not in service
        policy = resource("NetworkPolicy", "vllm")["spec"]
        assert (policy["policyTypes"], policy["egress"]) == (["Ingress", "Egress"], [])

    def test_ports_are_on_loopback_by_default(self) -> None:
        ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
        assert ports == ["127.0.0.1:8080:8080", "127.0.0.1:3000:3000"]

    def test_pods_meet_the_restricted_standard(self) -> None:
        assert (
            resource("Namespace", "autoglm")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
            == "restricted"
        )
        for name, pod in pod_templates():
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            assert pod["securityContext"]["runAsUser"] > 0, name
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert pod["automountServiceAccountToken"] is False, name
            assert pod.keys().isdisjoint({"hostNetwork", "hostPID", "hostIPC"}), name
            assert not any("hostPath" in volume for volume in pod["volumes"]), name
        for name, container in containers():
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"].keys() == {"requests", "limits"}, name

    def test_no_key_stands_in_a_file(self) -> None:
        for path in CLUSTER.rglob("*"):
            if path.is_file():
                assert not re.search(
                    r"\b(sk-|hf_)[A-Za-z0-9]{8}|BEGIN [A-Z ]*PRIVATE KEY", path.read_text("utf-8")
                )
        assert not any(item["kind"] == "Secret" for item in manifest())
        offered = dict(re.findall(r"(?m)^(\w+)=(.*)$", text(".env.example")))
        assert offered["VLLM_API_KEY"] == offered["GRAFANA_ADMIN_PASSWORD"] == offered["HF_TOKEN"] == ""
        assert "VLLM_API_KEY: ${VLLM_API_KEY:?" in text("compose.yaml")
        assert "GF_SECURITY_ADMIN_PASSWORD: ${GRAFANA_ADMIN_PASSWORD:?" in text("compose.yaml")
        [container] = resource("Deployment", "vllm")["spec"]["template"]["spec"]["containers"]
        [key] = [variable for variable in container["env"] if variable["name"] == "VLLM_API_KEY"]
        assert key["valueFrom"]["secretKeyRef"]["name"] == "autoglm-key"
        assert {"/.env", "/secrets/*"} <= set(text(".gitignore").split())

    def test_probes(self) -> None:
        [container] = resource("Deployment", "vllm")["spec"]["template"]["spec"]["containers"]
        probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
        assert all(probe["httpGet"] == {"path": "/health", "port": "http"} for probe in probes)
        allowed_s = probes[0]["periodSeconds"] * probes[0]["failureThreshold"]
        assert allowed_s >= 1800
        assert compose()["services"]["vllm-1"]["healthcheck"]["start_period"] == f"{allowed_s // 60}m"
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def nginx_directives() -> list[dict[str, Any]]:
    return crossplane.parse(str(CLUSTER / "nginx.conf"), single=True)["config"][0]["parsed"]


def block(parsed: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    [found] = [item["block"] for item in parsed if item["directive"] == name]
    return found


def values(parsed: list[dict[str, Any]], name: str) -> list[list[str]]:
    return [item["args"] for item in parsed if item["directive"] == name]


class TestNginx:
    def test_streams_and_times(self) -> None:
        server = block(block(nginx_directives(), "http"), "server")
        assert values(server, "proxy_buffering") == [["off"]]
        assert values(server, "proxy_http_version") == [["1.1"]]
        assert ["Connection", ""] in values(server, "proxy_set_header")
        [[read_timeout]] = values(server, "proxy_read_timeout")
        assert int(read_timeout.removesuffix("s")) > 600  # Open-AutoGLM's own
        assert not any("non_idempotent" in args for args in values(server, "proxy_next_upstream"))

    def test_limits(self) -> None:
        http = block(nginx_directives(), "http")
        assert values(http, "client_max_body_size") == [[BODY_LIMIT]]
        assert values(http, "limit_req_status") == values(http, "limit_conn_status") == [["429"]]

    def test_only_the_routes_of_the_agent_lead_to_vllm(self) -> None:
        server = block(block(nginx_directives(), "http"), "server")
        led = [item["args"] for item in server
               if item["directive"] == "location" and values(item["block"], "proxy_pass")]  # fmt: skip
        names = ("/v1/chat/completions", "/v1/completions", "/v1/models", "/health")
        assert led == [["=", name] for name in names]
        for item in server:
            if item["directive"] == "location" and values(item["block"], "proxy_pass"):
                assert values(item["block"], "limit_req"), item["args"]


class TestPrometheus:
    def test_jobs(self) -> None:
        jobs = {job["job_name"]: job for job in yaml.safe_load(text("prometheus.yml"))["scrape_configs"]}
        assert set(jobs) == {"vllm", "autoglm-desktop", "prometheus"}
        assert jobs["vllm"]["dns_sd_configs"][0]["names"] == ["vllm-1", "vllm-2", "vllm-3"]
        own = jobs["autoglm-desktop"]
        assert own["metrics_path"] == "/metrics"
        key_file = own["authorization"]["credentials_file"]
        mounts = [mount.split(":") for mount in compose()["services"]["prometheus"]["volumes"]]
        [folder] = [inside for outside, inside, *_mode in mounts if outside == "./secrets"]
        assert key_file.startswith(f"{folder}/")


class TestDashboard:
    def test_provisioning_leads_to_it(self) -> None:
        [source] = yaml.safe_load(text("grafana/provisioning/datasources/prometheus.yaml"))["datasources"]
        assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
        [provider] = yaml.safe_load(text("grafana/provisioning/dashboards/autoglm.yaml"))["providers"]
        mounts = compose()["services"]["grafana"]["volumes"]
        assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts
        assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in mounts

    def test_panels_stand_beside_each_other_and_use_the_chosen_source(self) -> None:
        panels = dashboard()["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
            assert not cells & taken, panel["title"]
            assert max(x for x, _y in cells) < 24
            taken |= cells
            if panel["type"] != "row":
                assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
                assert panel["targets"], panel["title"]
                assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])

    def test_job_and_instance_can_be_chosen(self) -> None:
        assert [item["name"] for item in dashboard()["templating"]["list"]] == [
            "datasource",
            "job",
            "instance",
        ]
        for expression in expressions():
            for selector in selectors(promql_parser.parse(expression)):
                assert {"job", "instance"} <= {matcher.name for matcher in selector.matchers.matchers}, (
                    expression
                )

    def test_every_series_exists(self) -> None:
        known = own_series() | vllm_series() | {"up"}
        used = {
            selector.name
            for expression in expressions()
            for selector in selectors(promql_parser.parse(expression))
        }
        assert used - known == set()

    def test_it_shows_all_that_this_service_tells(self) -> None:
        shown = " ".join(expressions())
        for family in own_families():
            assert family in shown

    def test_what_the_adapter_asks_exists(self) -> None:
        [rule] = yaml.safe_load(text("prometheus-adapter.yaml"))["rules"]["custom"]
        query = (
            rule["metricsQuery"]
            .replace("<<.GroupBy>>", "namespace, pod")
            .replace("<<.LabelMatchers>>", 'pod="a"')
        )
        asked = [*selectors(promql_parser.parse(query)), *selectors(promql_parser.parse(rule["seriesQuery"]))]
        assert {selector.name for selector in asked} <= vllm_series()
        assert len(asked) == 3


@cache
def dashboard() -> dict[str, Any]:
    return json.loads(text("grafana/dashboards/autoglm.json"))


@cache
def expressions() -> tuple[str, ...]:
    found = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    found += [re.sub(r"^label_values\((.*), \w+\)$", r"\1", item["definition"])
              for item in dashboard()["templating"]["list"] if "up{" in item.get("definition", "")]  # fmt: skip
    assert len(found) > 30
    return tuple(
        expression.replace("$__rate_interval", "1m").replace(
            'up{job=~"$job"}', 'up{job=~"$job", instance=~".*"}'
        )
        for expression in found
    )


def selectors(expression: Any) -> list[Any]:
    """Every choice of series in a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        return [expression]
    inner = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    parts = [
        part for part in [*inner, *getattr(expression, "args", [])] if isinstance(part, promql_parser.Expr)
    ]
    return [found for part in parts for found in selectors(part)]


def of_kind(name: str, kind: str) -> set[str]:
    """The series that a metric of this kind has in Prometheus."""
    if kind == "histogram":
        return {f"{name}_{end}" for end in ("bucket", "sum", "count")}
    return {f"{name}_total"} if kind == "counter" else {name}


def vllm_series() -> set[str]:
    lines = [line.split() for line in text("vllm-metrics.txt").splitlines() if not line.startswith("#")]
    return set().union(*(of_kind(name, kind) for name, kind in lines))


def own_families() -> dict[str, str]:
    """Names and kinds on this service's /metrics page."""
    page, _kind = Metrics(FakeSession(), Gate()).page()
    found = dict(re.findall(r"(?m)^# TYPE (\S+) (\w+)$", page.decode()))
    assert len(found) >= 12
    return found


def own_series() -> set[str]:
    return set().union(*(of_kind(name.removesuffix("_total"), kind) for name, kind in own_families().items()))


class TestPage:
    def test_tables_are_what_the_planner_computes(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        for row in [*cluster_sizing.memory_rows(), *cluster_sizing.pace_rows()]:
            assert row in page, row

    def test_flags_are_explained(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        for name in vllm_flags()[0].keys() - {"host", "port"}:
            assert f"--{name}" in page, name

    def test_its_numbers_are_the_files(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        assert f"{cluster_sizing.PICTURE_TOKENS:,} tokens" in page
        assert f"{cluster_sizing.WEIGHT_BYTES / 1e9:.2f} GB" in page
        assert f"{cluster_sizing.KV_BYTES:,.0f} B" in page
