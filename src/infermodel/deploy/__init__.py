"""What to deploy: the command line of each service's engine, and Kubernetes objects that start as many as it has."""

from infermodel.deploy.command import Command
from infermodel.deploy.engines import CHECKED, command_of
from infermodel.deploy.pages import DEPLOY_SCRIPT, DEPLOY_YAML, deployment_files, deployment_lines, deployment_rows

__all__ = [
    "CHECKED",
    "DEPLOY_SCRIPT",
    "DEPLOY_YAML",
    "Command",
    "command_of",
    "deployment_files",
    "deployment_lines",
    "deployment_rows",
]
