// Passkeys: adding one, signing in with one, and confirming a decision with one. The server checks everything.
// An element with data-passkey holds a hidden input `credential`, a button and a line that says what happened.

const SAID = {
  NotAllowedError: "The passkey was not used. Try again.",
  InvalidStateError: "This passkey is added already.",
  SecurityError: "Passkeys do not work at this address.",
};

async function options(box) {
  const source = box.dataset.options;
  if (source.startsWith("#")) {
    const given = JSON.parse(document.querySelector(source).textContent);
    return given.creation_options ?? given.request_options;
  }
  const token = box.closest("form").elements.csrfmiddlewaretoken.value;
  const answer = await fetch(source, { method: "POST", headers: { "X-CSRFToken": token } });
  if (!answer.ok) throw new Error("The site gave no challenge. Load the page again.");
  return answer.json();
}

async function credential(box) {
  const { publicKey } = await options(box);
  if (box.dataset.passkey === "add") {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
}

async function go(box) {
  const said = box.querySelector("[data-passkey-said]");
  const form = box.closest("form");
  said.textContent = "Waiting for your passkey…";
  try {
    const made = await credential(box);
    form.elements.credential.value = JSON.stringify(made.toJSON());
  } catch (error) {
    said.textContent = SAID[error.name] ?? error.message;
    return;
  }
  if (box.dataset.passkey === "confirm") {
    for (const input of form.querySelectorAll("[name=code]")) input.required = false;
    said.textContent = "Confirmed. Now make your decision; it holds for one.";
  } else {
    form.submit();
  }
}

if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const box of document.querySelectorAll("[data-passkey]")) {
    const button = box.querySelector("[data-passkey-go]");
    button.hidden = false;
    button.addEventListener("click", () => go(box));
  }
}
