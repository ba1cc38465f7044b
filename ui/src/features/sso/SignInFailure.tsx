import { Alert } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { providersQuery } from "@/api/identities";
import { FAILURES, strings } from "./strings";

/** Why a sign-in with a provider has failed. Shows nothing for a code that the server does not use. */
export default function SignInFailure({
  failure,
  provider,
}: {
  failure: string;
  provider?: string;
}) {
  const { data } = useQuery(providersQuery);
  // The address can contain any text, so only names of the server are shown.
  const name = data?.data.find(({ id }) => id === provider)?.name ?? strings.someProvider;
  const text = Object.hasOwn(FAILURES, failure) ? FAILURES[failure]?.(name) : undefined;
  if (text === undefined) return null;
  return (
    <Alert color="red" variant="light" role="alert">
      {text}
    </Alert>
  );
}
