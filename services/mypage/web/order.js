// One order's page: follows it by server-sent events.
import { badge, call, element, final, reason, say, when } from "/ui/common.js";

const orderId = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1));
const path = `/mypages/${encodeURIComponent(orderId)}`;
const cancel = document.getElementById("cancel");
const live = document.getElementById("live");
const stages = ["PLACED", "COOKING", "DELIVERING", "DELIVERED"];

function show(order) {
  document.title = `Order ${order.quantity ?? ""} × ${order.menuId ?? ""}`;
  document.getElementById("title").textContent = `${order.quantity ?? "?"} × ${order.menuId ?? "…"}`;
  badge(document.getElementById("status"), order.status);
  document.getElementById("reason").textContent =
    order.cancellation === "PENDING" && !final(order.status) ? "cancellation asked for …"
      : order.cancellation === "REFUSED" ? "too late to cancel: the kitchen had finished" : reason(order.reason);
  const reached = stages.indexOf(order.status);
  document.querySelectorAll("#steps li").forEach((step, index) => {
    step.classList.toggle("done", index < reached || order.status === "DELIVERED");
    step.classList.toggle("now", index === reached && order.status !== "DELIVERED");
    if (index === reached) step.setAttribute("aria-current", "step"); else step.removeAttribute("aria-current");
  });
  const facts = {
    Order: order.orderId, Customer: order.customerId, Restaurant: order.restaurantId, Address: order.address,
    Note: order.note, Kitchen: order.cookStatus, Courier: order.deliveryStatus, Placed: when(order.createdAt),
    Changed: when(order.updatedAt),
  };
  document.getElementById("facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value)
    .flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  cancel.hidden = final(order.status) || order.cancellation !== "NONE" || order.status === "DELIVERING";
}

cancel.addEventListener("click", async () => {
  cancel.disabled = true;
  say("Cancelling …");
  try {
    const { status } = await call(`/orders/${encodeURIComponent(orderId)}/cancel`, { method: "POST" });
    say(status === 202 ? "Your wish is noted; the kitchen has not answered yet." : "Your order is cancelled.");
  } catch (error) {
    say(error.status === 409 ? "Too late: the kitchen has finished it already." : error.message, true);
  } finally {
    cancel.disabled = false;
  }
});

const began = Date.now();

function follow() {
  const source = new EventSource(`${path}/events`);
  source.addEventListener("order", (event) => {
    const order = JSON.parse(event.data);
    show(order);
    live.textContent = final(order.status) ? "This is the end of its journey." : "Live";
    if (final(order.status)) source.close();
  });
  source.addEventListener("open", () => { live.textContent = "Live"; });
  source.addEventListener("error", () => {
    live.textContent = "Reconnecting …";
    // The browser reconnects by itself unless the answer was not a stream: an order just placed may take a moment to
    // be seen here, and a server may be starting.
    if (source.readyState !== EventSource.CLOSED) return;
    if (Date.now() - began > 60_000) {
      live.textContent = "";
      call(path).then(() => follow(), (error) => say(error.message, true));
    } else {
      setTimeout(follow, 1000);
    }
  });
}
follow();
