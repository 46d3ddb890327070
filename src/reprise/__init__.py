"""Three research systems as pipelines that anyone can re-run, change and compare."""

from reprise.core import kernels

kernels.pin()  # before anything imports numpy or torch
