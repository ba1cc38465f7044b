import { Button } from "@mantine/core";
import classes from "./PageButtons.module.css";

type Props = {
  cursor: string | undefined;
  next: string | null;
  onShow: (cursor: string | undefined) => void;
};

/** Buttons for the first page and the next one, below a list. Shows nothing if the list has one page. */
export function PageButtons({ cursor, next, onShow }: Props) {
  if (next === null && cursor === undefined) return null;
  return (
    <div className={classes.buttons}>
      {cursor !== undefined && (
        <Button variant="default" onClick={() => onShow(undefined)}>
          First page
        </Button>
      )}
      {next !== null && (
        <Button variant="default" onClick={() => onShow(next)}>
          Next page
        </Button>
      )}
    </div>
  );
}
