import { Diff } from "@/components/diff";
import { Button } from "@/components/ui/button";

interface Props {
  /** Who changed it meanwhile, as far as is known. */
  by: string;
  theirs: string;
  mine: string;
  onTheirs: () => void;
  onMine: () => void;
}

/** Somebody was faster. Nothing is lost: both texts are there, and the person decides. */
export function Clash({ by, theirs, mine, onTheirs, onMine }: Props) {
  return (
    <div role="alert" className="space-y-3 rounded-lg border border-line bg-warn-soft p-3">
      <p className="text-warn">
        <strong className="font-semibold">It was changed meanwhile{by && ` by ${by}`}.</strong> This is what your text
        would change in the newest one.
      </p>
      <div className="rounded-lg bg-panel">
        <Diff name="The newest text against yours" before={theirs} after={mine} />
      </div>
      <div className="flex flex-wrap gap-2">
        <Button onClick={onTheirs}>Take the newest</Button>
        <Button look="main" onClick={onMine}>
          Save mine over it
        </Button>
      </div>
    </div>
  );
}
