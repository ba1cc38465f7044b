import { Button } from "@mantine/core";
import { forgetSession } from "@/api/session";
import { dropWorkspace } from "@/api/workspace";
import { AuthPage } from "./AuthPage";
import { strings } from "./strings";

const texts = strings.noWorkspace;

/**
 * The page of a person that no workspace has as a member.
 *
 * It names no workspace that the tab has shown: without a session, that could have been to another person.
 */
export default function NoWorkspace() {
  const leave = () => {
    forgetSession();
    dropWorkspace();
    window.location.assign("/login");
  };
  return (
    <AuthPage title={texts.title} intro={texts.text} onSubmit={leave}>
      <Button type="submit" fullWidth variant="default">
        {texts.back}
      </Button>
    </AuthPage>
  );
}
