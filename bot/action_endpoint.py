"""Runs custom actions inside the server process instead of over HTTP."""

from __future__ import annotations

import logging
import time
from typing import Any

from rasa.utils.endpoints import EndpointConfig
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection

from actions.loading import load_actions
from city.messages import Reply, current_trace

logger = logging.getLogger(__name__)

APOLOGY = {
    "zh": "抱歉，这一步刚才没有成功，您之前说的内容都还在。请稍后再试一次，急事请拨打 12345。",
    "en": "Sorry, that step just failed. Nothing you told me is lost. Please try again shortly, or call 12345 if it is urgent.",
}


class InProcessActions(EndpointConfig):
    """An action endpoint whose `request()` calls rasa-sdk's executor directly.

    A failing action answers with an apology and changes no slot: in stock Rasa it is silence for the citizen.
    """

    def __init__(self) -> None:
        super().__init__(url="in-process")
        self.executor = ActionExecutor()
        for module in load_actions():
            self.executor.register_package(module)

    @property
    def names(self) -> list[str]:
        """The registered actions' names."""
        return sorted(self.executor.actions)

    async def request(
        self,
        method: str = "post",
        subpath: str | None = None,
        content_type: str | None = "application/json",
        compress: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Run the action named in `json`; the result has rasa-sdk's response format."""
        call = kwargs["json"]
        name = call.get("next_action")
        started = time.perf_counter()
        record: dict[str, Any] = {"step": "action", "action": name}
        try:
            result = await self.executor.run(call)
            return result or {"events": [], "responses": []}
        except ActionExecutionRejection:
            raise
        except Exception as error:
            record["error"] = f"{type(error).__name__}: {error}"[:300]
            logger.exception("action %s failed", name)
            slots = (call.get("tracker") or {}).get("slots") or {}
            language = slots.get("language") if slots.get("language") in APOLOGY else "zh"
            reply = Reply(APOLOGY[str(language)], "error")
            return {"events": [], "responses": [{"custom": {"reply": reply.to_dict()}}]}
        finally:
            record["ms"] = round((time.perf_counter() - started) * 1000, 3)
            trace = current_trace.get()
            if trace is not None:
                trace.steps.append(record)
