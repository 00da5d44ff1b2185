// @ts-check
import { Client } from "../../sdk/ts/dist/browser.js";

const url = new URLSearchParams(location.search).get("url") ?? "http://localhost:8080";
const user = { user_id: "user_12345", country: "US", age: 25 };
const client = new Client({ url, services: ["ranker_svc"], context: user, log: console });

/** @param {string} id @param {string} text */
function write(id, text) {
  const element = document.getElementById(id);
  if (element) {
    element.textContent = text;
  }
}

function show() {
  const e = client.evaluate("ranker_svc", user); // the defaults, until there is an answer
  write("algorithm", e.getString("algorithm", "baseline"));
  write("version", JSON.stringify(e.lookup("model.version")));
}

client.onChange(show);
show();
