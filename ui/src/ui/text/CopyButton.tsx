import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { Check, Copy } from "lucide-react";

type Props = {
  /** The text, or a function that makes it when it is needed. */
  value: string | (() => string);
  /** What is copied: "run id". The button is named "Copy run id". */
  what: string;
  /** Show the name beside the icon. */
  withText?: boolean;
};

export function CopyButton({ value, what, withText = false }: Props) {
  const clipboard = useClipboard({ timeout: 1500 });
  const label = clipboard.copied ? "Copied" : clipboard.error ? "Copying failed" : `Copy ${what}`;
  const Icon = clipboard.copied ? Check : Copy;
  const copy = () => clipboard.copy(typeof value === "string" ? value : value());
  if (withText) {
    return (
      <Button variant="default" leftSection={<Icon size={16} aria-hidden />} onClick={copy}>
        <span aria-live="polite">{label}</span>
      </Button>
    );
  }
  return (
    <Tooltip label={label} opened={clipboard.copied || clipboard.error ? true : undefined}>
      <ActionIcon size={24} aria-label={`Copy ${what}`} onClick={copy}>
        <Icon size={14} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
