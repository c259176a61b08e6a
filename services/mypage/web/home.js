// The front page: the menus to order from, and the customer's orders.
import { badge, call, element, newKey, reason, say, when } from "/ui/common.js";

const who = document.getElementById("who");
const customer = who.elements.customer;
const menus = document.getElementById("menus");
const orders = document.getElementById("orders");
const menusMore = document.getElementById("menus-more");
const ordersMore = document.getElementById("orders-more");

// A link may name the customer: /?customer=ann.
customer.value = new URLSearchParams(location.search).get("customer") ?? localStorage.getItem("customer") ?? "";

const query = (parameters) => new URLSearchParams(Object.entries(parameters).filter(([, value]) => value)).toString();

async function place(menu, quantity, button, key) {
  if (!who.reportValidity()) return;
  localStorage.setItem("customer", customer.value);
  button.disabled = true;
  say("Placing your order …");
  try {
    const { body } = await call("/orders", {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key() },
      body: JSON.stringify({ customerId: customer.value, restaurantId: menu.restaurantId, menuId: menu.menuId, quantity }),
    });
    location.assign(`/ui/orders/${encodeURIComponent(body.orderId)}`);
  } catch (error) {
    say(error.message, true);
    button.disabled = false;
  }
}

function card(menu) {
  const item = element("li");
  item.append(element("h3", menu.name ?? menu.menuId), element("div", menu.restaurantId, "muted small"));
  if (Number.isInteger(menu.onHand)) item.append(element("div", menu.onHand > 0 ? `${menu.onHand} left` : "Sold out", "small"));
  const form = element("form");
  const label = element("label", "Portions");
  const input = Object.assign(element("input"), { type: "number", min: 1, max: 1000, value: 1, required: true });
  input.id = label.htmlFor = `quantity-${menu.menuId}`;
  const button = Object.assign(element("button", "Order"), { type: "submit" });
  form.append(label, input, button);
  // One wish has one key: pressing again after an unclear answer cannot order twice; a changed wish is a new one.
  let wish = ["", ""];
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const what = `${customer.value} ${input.value}`;
    place(menu, Number(input.value), button, () => {
      if (wish[0] !== what) wish = [what, newKey()];
      return wish[1];
    });
  });
  item.append(form);
  return item;
}

function row(order) {
  const link = element("a");
  link.href = `/ui/orders/${encodeURIComponent(order.orderId)}`;
  const what = element("span", `${order.quantity ?? "?"} × ${order.menuId ?? "…"}`, "what");
  const why = reason(order.reason);
  if (why) what.append(element("span", ` ${why}`, "muted small"));
  link.append(what, element("span", when(order.createdAt), "muted small"), badge(element("span"), order.status));
  const item = element("li");
  item.append(link);
  return item;
}

async function showMenus(cursor) {
  const { body } = await call(`/menus?${query({ cursor })}`);
  menus.append(...body.items.map(card));
  document.getElementById("menus-empty").hidden = menus.children.length > 0;
  menusMore.hidden = !body.next;
  menusMore.onclick = () => showMenus(body.next).catch((error) => say(error.message, true));
}

let olderShown = false;

async function showOrders(cursor) {
  if (!customer.value || !customer.checkValidity()) return;
  const { body } = await call(`/mypages?${query({ customerId: customer.value, cursor })}`);
  const rows = body.items.map(row);
  olderShown = Boolean(cursor);
  if (cursor) orders.append(...rows); else orders.replaceChildren(...rows);
  document.getElementById("orders-empty").hidden = orders.children.length > 0;
  ordersMore.hidden = !body.next;
  ordersMore.onclick = () => showOrders(body.next).catch((error) => say(error.message, true));
}

who.addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem("customer", customer.value);
  say("");
  showOrders().catch((error) => say(error.message, true));
});

showMenus().catch((error) => say(error.message, true));
showOrders().catch((error) => say(error.message, true));

// The list is kept fresh while it is looked at and shows its first page only; an order's own page follows live.
setInterval(() => {
  if (!document.hidden && !olderShown && !orders.contains(document.activeElement)) {
    showOrders().catch(() => {});
  }
}, 3000);
