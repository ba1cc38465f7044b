import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const gray: MantineColorsTuple = [
  "#fafafa",
  "#f4f4f5",
  "#ebebed",
  "#dedee2",
  "#c9c9cf",
  "#a1a1aa",
  "#85858e",
  "#5f5f69",
  "#3f3f46",
  "#27272a",
];
const dark: MantineColorsTuple = [
  "#e6e6e9",
  "#b8b8c0",
  "#93939d",
  "#6b6b75",
  "#3a3a41",
  "#2b2b30",
  "#222226",
  "#17171a",
  "#111113",
  "#0b0b0d",
];
const accent: MantineColorsTuple = [
  "#eef0ff",
  "#dfe2fd",
  "#bcc3fa",
  "#97a1f6",
  "#7885f2",
  "#6271ea",
  "#4f5fe0",
  "#3f51d9",
  "#3443b8",
  "#2a3794",
];

/** Inputs and buttons are as high as a row of a table. */
const CONTROL_HEIGHT = "32px";
const MONO = '"JetBrains Mono Variable", ui-monospace, "Cascadia Mono", Menlo, monospace';

export const theme = createTheme({
  colors: { gray, dark, accent },
  primaryColor: "accent",
  primaryShade: { light: 7, dark: 6 },
  fontFamily: '"Inter Variable", system-ui, sans-serif',
  fontFamilyMonospace: MONO,
  fontSizes: { xs: "13px", sm: "14px", md: "14px", lg: "16px", xl: "20px" },
  lineHeights: { xs: "16px", sm: "20px", md: "20px", lg: "24px", xl: "28px" },
  spacing: { xs: "4px", sm: "8px", md: "12px", lg: "16px", xl: "24px" },
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "20px", lineHeight: "28px" },
      h2: { fontSize: "16px", lineHeight: "24px" },
      h3: { fontSize: "14px", lineHeight: "20px" },
    },
  },
  defaultRadius: "md",
  radius: { xs: "2px", sm: "4px", md: "8px", lg: "12px", xl: "16px" },
  shadows: { xs: "none", sm: "none", md: "none", lg: "none", xl: "none" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Button: {
      defaultProps: { size: "sm" },
      vars: (_: unknown, props: { size?: string }) => ({
        root: props.size === "sm" ? { "--button-height": CONTROL_HEIGHT } : {},
      }),
    },
    ActionIcon: { defaultProps: { size: 32, variant: "subtle", color: "gray" } },
    Input: {
      defaultProps: { size: "sm" },
      vars: (_: unknown, props: { size?: string }) => ({
        wrapper: {
          ...(props.size === "sm" && { "--input-height": CONTROL_HEIGHT }),
          // The border is all that shows where a field is.
          "--input-bd": "var(--border-strong)",
        },
      }),
    },
    InputWrapper: {
      defaultProps: { size: "sm" },
      styles: {
        // Labels can contain addresses of people.
        label: { marginBottom: 4, overflowWrap: "anywhere" },
        description: { marginBottom: 4 },
      },
    },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: false } },
    Menu: { defaultProps: { withinPortal: true, position: "bottom-end" } },
    Notification: {
      defaultProps: {
        withBorder: true,
        closeButtonProps: { "aria-label": "Close the message" },
      },
      styles: { description: { color: "var(--text-dimmed)" } },
    },
    // Colour alone does not distinguish a link from the text around it.
    Anchor: { defaultProps: { underline: "always" } },
    PasswordInput: {
      // Only the field is named "Password": scripts and assistive technology look for it.
      defaultProps: { visibilityToggleButtonProps: { "aria-label": "Show what you type" } },
    },
    Modal: {
      defaultProps: {
        centered: true,
        overlayProps: { backgroundOpacity: 0.4 },
        closeButtonProps: { "aria-label": "Close" },
        // The page has one banner, and the header of a dialog is none.
        attributes: { header: { role: "presentation" } },
      },
      styles: {
        // Addresses of people can be longer than a narrow dialog.
        content: { overflowWrap: "anywhere" },
        title: { fontWeight: 600, lineHeight: "20px" },
      },
    },
    Kbd: { styles: { root: { borderBottomWidth: 1, fontWeight: 500 } } },
  },
});

/** The background of buttons whose action cannot be undone. */
const DANGER = {
  "--mantine-color-red-filled": "#c92a2a",
  "--mantine-color-red-filled-hover": "#b02525",
};

/** Contrast of text is at least 4.5:1 in both themes. Mantine's own defaults have less. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-text": gray[9],
    "--mantine-color-dimmed": gray[7],
    "--mantine-color-placeholder": "#6f6f79",
    "--mantine-color-error": "#b3261e",
    "--mantine-color-anchor": accent[7],
    "--mantine-color-default-border": gray[3],
    ...DANGER,
  },
  dark: {
    "--mantine-color-text": dark[0],
    "--mantine-color-dimmed": "#a3a3ad",
    "--mantine-color-placeholder": dark[2],
    "--mantine-color-error": "#ff8a80",
    "--mantine-color-red-light-color": "#ff8a80",
    "--mantine-color-anchor": accent[3],
    "--mantine-color-default-border": dark[4],
    ...DANGER,
  },
});
