import { Button } from "@mantine/core";
import { forgetSession } from "@/api/session";
import { dropWorkspace, shownWorkspace } from "@/api/workspace";
import { AuthPage } from "./AuthPage";
import { strings } from "./strings";

const texts = strings.noWorkspace;

/** The page of a person that no workspace has as a member. */
export default function NoWorkspace() {
  const lost = shownWorkspace();
  const leave = () => {
    forgetSession();
    dropWorkspace();
    window.location.assign("/login");
  };
  return (
    <AuthPage
      title={texts.title}
      intro={lost === null ? texts.text : `${texts.lost(lost.name)} ${texts.text}`}
      onSubmit={leave}
    >
      <Button type="submit" fullWidth variant="default">
        {texts.back}
      </Button>
    </AuthPage>
  );
}
