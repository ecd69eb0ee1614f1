// What the navigation shows, in its order. On the keyboard `key` after a `g` goes there.
export const navigation = [
  { path: "/", label: "Overview", icon: "overview", key: "h" },
  { path: "/links", label: "Links", icon: "links", key: "l" },
  { path: "/operations", label: "Operations", icon: "operations", key: "o" },
  { path: "/terminal", label: "Terminal", icon: "terminal", key: "t", role: "operator" },
  { path: "/scripts", label: "Scripts", icon: "scripts", key: "s" },
  { path: "/git", label: "Git", icon: "git", key: "r" },
  { path: "/audit", label: "Audit", icon: "audit", key: "a", role: "admin" },
  { path: "/users", label: "Users", icon: "users", key: "u", role: "admin" },
  { path: "/tokens", label: "Tokens", icon: "tokens", key: "k" },
];
