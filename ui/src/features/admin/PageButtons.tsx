import { Button } from "@mantine/core";
import classes from "./Admin.module.css";
import { strings } from "./strings";

type Props = {
  cursor: string | undefined;
  next: string | null;
  onShow: (cursor: string | undefined) => void;
};

/** Buttons for the first page and the next one, below a list. */
export function PageButtons({ cursor, next, onShow }: Props) {
  if (next === null && cursor === undefined) return null;
  return (
    <div className={classes.footer}>
      {cursor !== undefined && (
        <Button variant="default" onClick={() => onShow(undefined)}>
          {strings.first}
        </Button>
      )}
      {next !== null && (
        <Button variant="default" onClick={() => onShow(next)}>
          {strings.next}
        </Button>
      )}
    </div>
  );
}
