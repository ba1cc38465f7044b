import type { ReactNode } from "react";

/** An invitation that a form uses. */
export type Invited = {
  token: string;
  /** The only address that can use it. */
  email: string;
  title: string;
  intro: ReactNode;
  /** The person is signed in, and the invitation is used. */
  onJoined: () => void;
};
