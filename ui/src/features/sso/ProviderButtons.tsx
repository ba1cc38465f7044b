import { Button, Divider } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { providersQuery, startAddress } from "@/api/identities";
import { strings } from "./strings";

/** A button for each identity provider of the server. Shows nothing without one. */
export default function ProviderButtons({ next }: { next?: string }) {
  const { data } = useQuery(providersQuery);
  if (data === undefined || data.data.length === 0) return null;
  return (
    <>
      <Divider label={strings.or} />
      {data.data.map((provider) => (
        <Button
          key={provider.id}
          component="a"
          href={startAddress(provider, { next })}
          variant="default"
          fullWidth
        >
          {strings.continueWith(provider.name)}
        </Button>
      ))}
    </>
  );
}
