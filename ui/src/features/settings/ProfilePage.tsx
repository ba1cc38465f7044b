import { useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { identitiesQuery } from "@/api/identities";
import { useUser } from "@/api/session";
import type { FailureSearch } from "@/features/sso/search";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import { ChangePassword } from "./ChangePassword";
import { Sessions } from "./Sessions";
import classes from "./Settings.module.css";
import { strings } from "./strings";
import { strings as twoFactorStrings } from "./twoFactor/strings";

const TwoFactor = lazy(() => import("./twoFactor/TwoFactor"));
const Identities = lazy(() => import("@/features/sso/Identities"));
const SignInFailure = lazy(() => import("@/features/sso/SignInFailure"));

export function ProfilePage({ failure, provider }: FailureSearch) {
  const user = useUser();
  const { data: identities } = useSuspenseQuery(identitiesQuery);
  return (
    <>
      <PageHeader title={strings.profile} />
      {failure !== undefined && (
        <div className={classes.notice}>
          <Suspense fallback={null}>
            <SignInFailure failure={failure} provider={provider} />
          </Suspense>
        </div>
      )}
      <dl className={classes.facts}>
        <dt>{strings.name}</dt>
        <dd>{user.name || strings.unknown}</dd>
        <dt>{strings.email}</dt>
        <dd>{user.email}</dd>
        <dt>{strings.plan}</dt>
        <dd>
          {user.plan}
          {user.is_admin && `, ${strings.administrator.toLowerCase()} of this server`}
        </dd>
        <dt>{strings.memberSince}</dt>
        <dd>
          <RelativeTime time={user.created_at} />
        </dd>
      </dl>
      {identities.has_password && (
        <>
          <section className={classes.section} aria-labelledby="password">
            <h2 id="password" className={classes.heading}>
              {strings.changePassword}
            </h2>
            <ChangePassword email={user.email} />
          </section>
          <section className={classes.section} aria-labelledby="two-factor">
            <h2 id="two-factor" className={classes.heading}>
              {twoFactorStrings.title}
            </h2>
            <Suspense fallback={<TextSkeleton lines={2} />}>
              <TwoFactor email={user.email} />
            </Suspense>
          </section>
        </>
      )}
      <Suspense fallback={null}>
        <Identities />
      </Suspense>
      <section className={classes.section} aria-labelledby="sessions">
        <h2 id="sessions" className={classes.heading}>
          {strings.sessions}
        </h2>
        <Sessions />
      </section>
    </>
  );
}
