// Every page: its address, its title, who may see it, and the module that makes it. The server
// knows the addresses from here and answers each with the console.

export const pages = [
  { path: "/signin", title: "Sign in", open: true, load: () => import("../pages/signin.js") },
  { path: "/", title: "Overview", load: () => import("../pages/overview.js") },
  { path: "/links", title: "Links", load: () => import("../pages/links.js") },
  { path: "/links/:id", title: "Machine", load: () => import("../pages/link.js") },
  { path: "/operations", title: "Operations", load: () => import("../pages/operations.js") },
  {
    path: "/operations/new",
    title: "Run scripts",
    role: "operator",
    load: () => import("../pages/run.js"),
  },
  { path: "/operations/:id", title: "Operation", load: () => import("../pages/operation.js") },
  {
    path: "/terminal",
    title: "Terminal",
    role: "operator",
    load: () => import("../pages/terminal.js"),
  },
  {
    path: "/terminal/:id",
    title: "Terminal",
    role: "operator",
    load: () => import("../pages/workspace.js"),
  },
  { path: "/recordings", title: "Recordings", load: () => import("../pages/recordings.js") },
  { path: "/recordings/:id", title: "Recording", load: () => import("../pages/recording.js") },
  { path: "/scripts", title: "Scripts", load: () => import("../pages/scripts.js") },
  { path: "/scripts/:id", title: "Script", load: () => import("../pages/script.js") },
  { path: "/git", title: "Git", load: () => import("../pages/git.js") },
  { path: "/audit", title: "Audit", role: "admin", load: () => import("../pages/audit.js") },
  { path: "/users", title: "Users", role: "admin", load: () => import("../pages/users.js") },
  { path: "/tokens", title: "Tokens", load: () => import("../pages/tokens.js") },
  { path: "/account", title: "Account", load: () => import("../pages/account.js") },
  { path: "/about", title: "About", load: () => import("../pages/about.js") },
];
