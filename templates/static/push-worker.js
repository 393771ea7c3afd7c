// Shows that something waits on this place, and leads to it. It keeps nothing and reads no page.

addEventListener("push", (event) => {
  const { title, body, link } = event.data.json();
  event.waitUntil(registration.showNotification(title, { body, tag: "waits", data: link }));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const link = new URL(event.notification.data, location.origin);
  if (link.origin === location.origin) event.waitUntil(clients.openWindow(link));
});
