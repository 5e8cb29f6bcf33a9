#!/usr/bin/env python3
"""Measures the release binary and writes docs/benchmarks.md: start-up, size, sync-images beside
crane in the lab, its plan for a large cluster beside kubectl, and the plan of endpoints for a large VPC.

Usage: bench.py LAB TOOLS CRANE, with the release binary in $PLUGIN.
"""

import datetime
import http.client
import json
import os
import pathlib
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = os.environ["PLUGIN"]
LAB, TOOLS, CRANE = sys.argv[1:]
STARTS = 200
ROUNDS = 3
# The kinds that sync-images lists, as kubectl names them.
KINDS = "pods,deployments,replicasets,daemonsets,statefulsets,cronjobs,jobs,replicationcontrollers"
# For the large cluster, kubectl would hold more JSON than many machines have memory: its limit in MB.
MEMORY = 4000
# Of the large VPC, besides the cluster's own two subnets.
SUBNETS = 2000
ENDPOINTS = 500
# The longest that the plan of endpoints for the large VPC may take, in seconds.
PLAN_GOAL = 10

# A typical script with crane: log in, create the repositories, which ECR requires, and copy tag by tag.
LOGIN = """
import base64, boto3, sys
ecr = boto3.client("ecr", region_name="us-east-1")
for name in sys.argv[1:]:
    try:
        ecr.create_repository(repositoryName=name)
    except ecr.exceptions.RepositoryAlreadyExistsException:
        pass
token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
print(base64.b64decode(token).decode().removeprefix("AWS:"))
"""


class Lab:
    """A running lab, with an empty ECR at the start."""

    def __init__(self, fixture="first-cluster"):
        self.fixture = fixture

    def __enter__(self):
        command = [LAB, "up", "--fixture", self.fixture]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "enter it with: " in line:
                self.enter = line.split("enter it with: ")[1].split(" [")[0]
                self.socket = str(pathlib.Path(self.enter).parent / "control.sock")
                return self
        raise SystemExit("the lab did not start")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def control(self, method, path, value=None):
        connection = http.client.HTTPConnection("lab")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.socket)
        body = None if value is None else json.dumps(value)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise SystemExit(f"bench: {method} {path} failed ({response.status}): {content.decode()}")
        return content

    def run(self, *command):
        done = subprocess.run([self.enter, *command], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"bench: {command[0]} failed ({done.returncode}):\n{done.stderr}")
        return done.stdout

    def measure(self, script):
        """Runs a shell script: wall and CPU seconds, peak memory of one process, requests, bytes from the sources."""
        for front in ("source", "ecr"):
            self.control("DELETE", f"/{front}/traffic")
        with tempfile.NamedTemporaryFile() as file:
            self.run("/usr/bin/time", "-o", file.name, "-f", "%e %U %S %M", "bash", "-euo", "pipefail", "-c", script)
            wall, user, system, peak = (float(number) for number in file.read().split())
        source, ecr = (json.loads(self.control("GET", f"/{front}/traffic")) for front in ("source", "ecr"))
        return {
            "wall": wall,
            "cpu": user + system,
            "peak": peak / 1000,
            "requests": len(source) + len(ecr),
            "read": sum(record["sent"] for record in source) / 1e6,
        }


def start_up():
    """Milliseconds of each of many runs of `version`, process creation included."""
    times = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run([PLUGIN, "version"], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - start) * 1000)
    return times


def is_static():
    headers = subprocess.run(["readelf", "--program-headers", PLUGIN], check=True, capture_output=True, text=True)
    return "INTERP" not in headers.stdout


def with_host(image):
    """Docker Hub's images with the host that serves them: crane would use `index.docker.io`, which the lab does not have."""
    return image if "." in image.split("/")[0] else f"registry-1.docker.io/{image}"


def mirror():
    """Rows of the table: each tool with an empty ECR, and again when all images are up to date."""
    ours, theirs = ([], []), ([], [])
    for _ in range(ROUNDS):
        with Lab() as lab:
            plan = json.loads(lab.run(PLUGIN, "sync-images", "--dry-run", "-o", "json"))
            for runs in ours:
                runs.append(lab.measure(f"{PLUGIN} sync-images --yes --no-rewrite"))
        images = [(image["source"], image["destination"]) for image in plan["destinations"][0]["images"]]
        registry = images[0][1].split("/")[0]
        names = [to.split("/", 1)[1].rsplit(":", 1)[0] for _, to in images]
        with Lab() as lab:
            bundle = lab.run("printenv", "SSL_CERT_FILE").strip()
            password = lab.run("env", f"AWS_CA_BUNDLE={bundle}", f"{TOOLS}/moto/bin/python", "-c", LOGIN, *names)
            lab.run(CRANE, "auth", "login", registry, "-u", "AWS", "-p", password.strip())
            copies = "\n".join(f"{CRANE} copy {with_host(source)} {to}" for source, to in images)
            for runs in theirs:
                runs.append(lab.measure(copies))
    return len(images), [
        ("sync-images, empty ECR", ours[0]),
        ("crane copy, empty ECR", theirs[0]),
        ("sync-images, up to date", ours[1]),
        ("crane copy, up to date", theirs[1]),
    ]


def count(lab, path):
    """The number of objects that the API server has at a path."""
    page = json.loads(lab.run("kubectl", "get", "--raw", f"{path}?limit=1"))
    return len(page["items"]) + page["metadata"].get("remainingItemCount", 0)


def large():
    """Pods and workloads of the large cluster, and rows of the table: its plan, and the same lists by kubectl."""
    with Lab("large-cluster") as lab:
        pods = count(lab, "/api/v1/pods")
        paths = [f"apps/v1/{kind}" for kind in ("deployments", "statefulsets", "daemonsets")]
        paths += [f"batch/v1/{kind}" for kind in ("cronjobs", "jobs")]
        workloads = sum(count(lab, f"/apis/{path}") for path in paths)
        limited = f"(ulimit -v {MEMORY * 1000}; kubectl get {KINDS} -A -o json > /dev/null 2>&1) || true"
        scripts = [
            ("`sync-images --dry-run`", f"{PLUGIN} sync-images --dry-run > /dev/null"),
            (f"`kubectl get … -A -o json`, stopped at {MEMORY / 1000:.0f} GB of address space", limited),
        ]
        return pods, workloads, [(name, [lab.measure(script) for _ in range(ROUNDS)]) for name, script in scripts]


def large_vpc():
    """Runs of the plan of endpoints for a VPC whose subnets all belong to a node group."""
    with Lab() as lab:
        lab.control("PUT", "/aws/crowd", {"subnets": SUBNETS, "endpoints": ENDPOINTS})
        subnets = [f"subnet-0c{number:015x}" for number in range(SUBNETS)]
        lab.control("PUT", "/aws/eks", {"node_groups": {"all": subnets}})
        script = f"{PLUGIN} endpoints plan > /dev/null"
        # The first run waits until moto has started.
        lab.measure(script)
        return [lab.measure(script) for _ in range(ROUNDS)]


def middle(runs, what):
    return statistics.median(run[what] for run in runs)


def machine():
    model = next(line.split(": ")[1] for line in open("/proc/cpuinfo") if line.startswith("model name"))
    return f"{os.cpu_count()} cores of {model.strip()}, Linux {platform.release()}"


def page():
    times, (images, rows), (pods, workloads, lists), plans = start_up(), mirror(), large(), large_vpc()
    lines = [
        "# Benchmarks",
        "",
        f"Output of `make bench` on {datetime.date.today()}: {machine()}, with a load of {os.getloadavg()[0]:.1f}.",
        "",
        "## The binary",
        "",
        "| | |",
        "| --- | --- |",
        f"| size | {os.path.getsize(PLUGIN) / 1e6:.1f} MB |",
        f"| static | {'yes' if is_static() else 'no'} |",
        f"| `version`, {STARTS} runs | min {min(times):.1f} ms, median {statistics.median(times):.1f} ms, "
        f"max {max(times):.1f} ms |",
        "",
        "## Mirroring",
        "",
        f"The lab's {images} images, each with two platforms and attestations, are copied over the loopback device with",
        "TLS; blob mounting is off. The lab's registries run on the same cores, so CPU time is more significant than wall",
        "time. `crane copy` represents a script; its login and the creation of its repositories are not measured.",
        "`sync-images` also lists the cluster's workloads, creates the repositories, and verifies the copies in ECR.",
        f"Medians of {ROUNDS} runs; peak memory is that of the largest process.",
        "",
        "| | wall | CPU | peak memory | requests | read from sources |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in rows:
        lines.append(
            f"| {name} | {middle(runs, 'wall'):.2f} s | {middle(runs, 'cpu'):.2f} s | {middle(runs, 'peak'):.0f} MB "
            f"| {middle(runs, 'requests'):.0f} | {middle(runs, 'read'):.1f} MB |"
        )
    lines += [
        "",
        "## A large cluster",
        "",
        f"The first cluster among a customer's workloads: {workloads:,} Deployments, StatefulSets, DaemonSets, CronJobs",
        f"and Jobs, and {pods:,} pods. Controllers and nodes do not run. `sync-images --dry-run` lists all objects, selects",
        "those of Cast AI, and looks up their images in the registries; kubectl gets the same lists. etcd and the API",
        "server run on the same cores. kubectl holds all objects in memory as JSON, and would need many times the memory",
        f"of its limit here. Medians of {ROUNDS} runs; CPU and peak memory are those of the process alone.",
        "",
        "| | wall | CPU | peak memory |",
        "| --- | --- | --- | --- |",
    ]
    for name, runs in lists:
        lines.append(
            f"| {name} | {middle(runs, 'wall'):.1f} s | {middle(runs, 'cpu'):.1f} s | {middle(runs, 'peak'):.0f} MB |"
        )
    lines += [
        "",
        "## A large VPC",
        "",
        f"`endpoints plan` in a VPC with {SUBNETS:,} subnets, all of a node group, and {ENDPOINTS:,} endpoints of other services.",
        f"EC2's front server runs on the same cores. The goal is less than {PLAN_GOAL} s. Medians of {ROUNDS} runs; CPU and peak",
        "memory are those of the process alone.",
        "",
        "| | wall | CPU | peak memory |",
        "| --- | --- | --- | --- |",
        f"| `endpoints plan` | {middle(plans, 'wall'):.2f} s | {middle(plans, 'cpu'):.2f} s | {middle(plans, 'peak'):.0f} MB |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = page()
    (ROOT / "docs/benchmarks.md").write_text(text)
    print(text, end="")
