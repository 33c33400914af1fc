// The examples use the origin of this page.
for (const origin of document.querySelectorAll(".origin")) origin.textContent = location.origin;
