import type { Role } from "@/api/access";

/** Texts of workspaces. */
export const strings = {
  yours: "Your workspaces",
  members: "Members",
  settings: "Workspace settings",
  create: "Create workspace",
  createText: "It has its own pipelines, runs, secrets, keys and members. You are its owner.",
  name: "Name",
  nameHint: "Such as the name of your team.",
  cancel: "Cancel",
  loadFailed: "Your workspaces could not be loaded",

  title: "Workspace",
  description: "Pipelines, runs, secrets, keys and usage belong to the workspace.",
  rename: "Rename",
  renamed: "The workspace is renamed.",
  plan: "Plan",
  role: "Your role",
  createdAt: "Created",
  id: "ID",
  idHint:
    "Programs that act for a person with several workspaces send it in the header X-Workspace.",
  leave: "Leave workspace",
  leaveHeading: "Leave this workspace",
  leaveHint:
    "You lose access to it, and your personal keys for it are revoked. What you have created stays. An admin can invite you again.",
  leaveTitle: (name: string) => `Leave the workspace “${name}”?`,
  leaveText:
    "You lose access at once, and your personal keys for it are revoked. Your pipelines and schedules stay. All your sessions end, so you sign in again if you are a member of another workspace.",
  notLeft: "You have not left the workspace",
  delete: "Delete workspace",
  deleteHeading: "Delete this workspace",
  deleteHint: "All its pipelines, runs, secrets and keys are deleted, for all members.",
  deleteTitle: (name: string) => `Delete the workspace “${name}”?`,
  deleteText:
    "All members lose access at once, API keys and webhooks stop working, and unfinished runs are cancelled. All pipelines, runs, secrets and the audit log are erased and cannot be restored. Your sessions end, so you sign in again.",
  typeName: (name: string) => `Type ${name} to confirm`,

  elsewhere: {
    pageTitle: "Not found",
    searching: "Looking in your other workspaces…",
    title: (name: string) => `This is in the workspace “${name}”`,
    text: (here: string) => `You are in the workspace “${here}”, which does not have it.`,
    open: "Switch the workspace",
  },
  lost: {
    named: (name: string) => `You are no longer a member of “${name}”`,
    unnamed: "The workspace that was used last is not available",
    now: (name: string) => `You see the workspace “${name}” now.`,
    notYours: (name: string) => `You are not a member of it. You see the workspace “${name}” now.`,
  },
} as const;

/** What a role is for. Each role can also do what the ones before it can. */
export const ROLE_TEXTS: Record<Role, string> = {
  viewer: "Reads pipelines, runs and usage, and decides reviews that are assigned to them",
  operator: "Starts, cancels and retries runs, and decides all reviews",
  editor: "Changes pipelines, schedules and secrets, and runs pipelines",
  admin: "Does what editors do, and manages members, service keys and the workspace",
  owner: "Does what admins do, manages the other owners, and can delete the workspace",
};
