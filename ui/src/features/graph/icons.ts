import {
  Blocks,
  Braces,
  Clock,
  Code,
  Columns3,
  Globe,
  type LucideIcon,
  Sparkles,
  Split,
  UserCheck,
} from "lucide-react";

const ICONS: Record<string, LucideIcon> = {
  llm: Sparkles,
  transform: Braces,
  condition: Split,
  parallel: Columns3,
  webhook: Globe,
  human_review: UserCheck,
  wait: Clock,
  code: Code,
};

/** The icon of a step type. Types of other packages share one. */
export function iconOf(type: string): LucideIcon {
  return Object.hasOwn(ICONS, type) ? (ICONS[type] as LucideIcon) : Blocks;
}
