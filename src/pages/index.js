// The example requests go to wherever this page came from.
for (const origin of document.querySelectorAll(".origin")) origin.textContent = location.origin;
