// The GraphiQL page. Bundled by ../update; the server serves the bundle, nothing comes from outside.
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { createClient } from "graphql-ws";
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { examples } from "./examples.js";

const endpoint = location.pathname;
const socketUrl = new URL(endpoint, location.href);
socketUrl.protocol = location.protocol === "https:" ? "wss:" : "ws:";

// The header editor's Authorization goes along on the WebSocket, which a browser can give no
// headers: a socket for each subscription, so that it carries the key typed last.
function fetcher(params, options = {}) {
  const authorization = Object.entries(options.headers ?? {}).find(
    ([name]) => name.toLowerCase() === "authorization",
  )?.[1];
  const wsClient = createClient({
    url: socketUrl.href,
    connectionParams: authorization ? { authorization } : {},
  });
  return createGraphiQLFetcher({ url: endpoint, wsClient })(params, options);
}

// Of the first tab GraphiQL takes only the query from defaultTabs. Afterwards it keeps its own.
const firstVisit = localStorage.getItem("graphiql:tabState") === null;

createRoot(document.getElementById("graphiql")).render(
  createElement(GraphiQL, {
    fetcher,
    defaultTabs: examples,
    variables: firstVisit ? examples[0].variables : undefined,
    defaultEditorToolsVisibility: "variables",
    shouldPersistHeaders: false,
  }),
);
