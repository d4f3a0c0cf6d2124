"""OpenFaaS: an application's workers are functions behind a gateway."""

from execution_model.openfaas.model import OpenFaas

MODULE = OpenFaas

__all__ = ["MODULE"]
