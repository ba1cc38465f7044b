import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast.success(strings.copied);
  } catch (error) {
    toast.failure(strings.copyFailed, error);
  }
}
