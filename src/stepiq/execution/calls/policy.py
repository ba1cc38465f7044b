"""Decides whether a request may be sent, and to whom."""

from typing import Any

import httpx2

from stepiq.core.http import SecretHostRefused
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import CallHttp, CallModel, OperationFailed
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.providers.registry import ModelUnusable, ResolvedModel, SecretNotForModel

_NO_HOST = (
    "The secret `{secret}` can only be sent to its `hosts`, which do not include the local model. Use a model of a "
    "provider in `hosts`, or store the secret again without `hosts`."
)


async def policy(call: Call, following: Following) -> Any:
    """Choose the model of a call, and check the hosts to which the secrets of a request may be sent."""
    match call.request:
        case CallModel() as request:
            try:
                call.model = _permitted(call, request, _resolved(call, request))
            except ModelUnusable as error:
                failed = Failed(FailureCode(error.failure), error.message, field="model")
                raise OperationFailed(failed, was_made=False) from None
        case CallHttp() as request:
            # Checked for each URL, because the response can be a redirect.
            call.permit = call.secrets.permit(request.secret_names)
        case _:
            pass
    return await following(call)


def _resolved(call: Call, request: CallModel) -> ResolvedModel:
    providers = call.dependencies.providers
    keys, accepted_with = call.secrets.keys, call.run.own_keys
    if request.model is None:
        return providers.default_model(keys, accepted_with)
    return providers.resolve(request.model, keys, accepted_with)


def _permitted(call: Call, request: CallModel, model: ResolvedModel) -> ResolvedModel:
    """The model, if every secret of the prompts and the workspace's own key may be sent to it.

    Raises:
        SecretNotForModel: a secret may not be sent to it. The local model has no host, so it gets no secret that has a
            list of hosts.
    """
    names = set(request.secret_names)
    if model.key is not None and model.source.key_name is not None:
        names.add(model.source.key_name)
    if model.source.base_url is None:
        if limited := sorted(names & call.secrets.hosts.keys()):
            raise SecretNotForModel(model.id, _NO_HOST.format(secret=limited[0]))
        return model
    try:
        call.secrets.permit(names)(httpx2.URL(model.source.base_url))
    except SecretHostRefused as error:
        raise SecretNotForModel(model.id, error.message) from None
    return model
